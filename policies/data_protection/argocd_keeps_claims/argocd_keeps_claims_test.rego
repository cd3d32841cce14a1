package stategate.data_protection.argocd_keeps_claims_test

import data.stategate.data_protection.argocd_keeps_claims as policy

request(origin, annotations) := {"workload": {"name": "pg", "namespace": "shop", "claims": [{
	"name": "data",
	"origin": origin,
	"path": [],
	"annotations": annotations,
}]}}

options(said) := {"argocd.argoproj.io/sync-options": said}

found(document) := violations if violations := policy.violation with input as document

test_half_of_it_fails if {
	every origin in ["object", "template"] {
		some v in found(request(origin, options("Prune=false")))
		contains(v.msg, "claim data is kept when Argo CD prunes")
		contains(v.fix, "Prune=false,Delete=false")
	}
}

test_what_exists_is_changed_in_its_own_way if {
	some claim in found(request("object", options("Prune=false")))
	claim.fix == "Annotate argocd.argoproj.io/sync-options: Prune=false,Delete=false"
	some template in found(request("template", options("Prune=false")))
	contains(template.fix, "kubectl annotate pvc data-pg-0 -n shop --overwrite argocd.argoproj.io/sync-options=Prune=false,Delete=false; ")
	some odd in found(request("template", options("Prune=false, $(reboot)")))
	not contains(odd.fix, "reboot")
}

test_both_pass if {
	kept := ["Prune=false,Delete=false", "Delete=false, Prune=false", "Prune=false,Delete=confirm"]
	every said in array.concat(kept, ["Validate=false", "Prune=confirm"]) {
		found(request("object", options(said))) == set()
	}
	found(request("object", {})) == set()
	found(request("reference", options("Prune=false"))) == set()
	found(request("object", object.union(options("Prune=false"), {"helm.sh/resource-policy": "keep"}))) == set()
}
