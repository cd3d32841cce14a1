package stategate.storage.pvc_size_limits_test

import data.stategate.storage.pvc_size_limits as policy

gi := 1073741824

request(claims) := {
	"workload": {"kind": "StatefulSet", "name": "pg", "claims": claims},
	"parameters": {
		"minimum": 64 * 1048576,
		"maximum": {"dev": 100 * gi, "prod": 1024 * gi},
		"class_maximum": {},
		"default_tier": "prod",
	},
}

claim(origin, bytes, text) := {
	"name": "data",
	"origin": origin,
	"storage_class": "fast",
	"size": bytes,
	"size_text": text,
	"spec_path": ["spec"],
}

found(document) := violations if violations := policy.violation with input as document

in_tier(tier, claims) := object.union(request(claims), {"workload": {"tier": tier}})

test_sensible_size_passes if found(request([claim("template", 50 * gi, "50Gi")])) == set()

test_limits_themselves_pass if {
	found(request([claim("object", 64 * 1048576, "64Mi"), claim("object", 1024 * gi, "1Ti")])) == set()
}

test_bytes_by_mistake_fail if {
	some v in found(request([claim("object", 20, "20")]))
	v.msg == "claim data asks for 20: less than any data store needs"
	v.path == ["spec", "resources", "requests", "storage"]
	contains(v.fix, "Ask for 64Mi or more")
}

store := {
	"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data"}],
	"engine": {"name": "postgres", "data_dirs": [
		{"dir": "/data", "container": "db", "origin": "default", "mount": {"volume": "data", "source": "volumeClaimTemplate"}},
	]},
}

test_few_megabytes_are_too_small_for_a_store_only if {
	small := request([claim("template", 50 * 1048576, "50Mi")])
	found(small) == set()
	some v in found(object.union(small, {"workload": store}))
	v.msg == "claim data asks for 50Mi: less than any data store needs"
}

test_zero_too_many_fails if {
	some v in found(request([claim("template", 5000 * gi, "5000Gi")]))
	v.msg == "claim data asks for 5000Gi: tier prod allows 1Ti"
	contains(v.fix, "Ask for 1Ti or less")
}

test_growing_further_is_a_new_fault if {
	some v in found(request([claim("object", 5000 * gi, "5000Gi")]))
	some w in found(request([claim("object", 6000 * gi, "6000Gi")]))
	v.key != w.key
}

test_tier_of_the_namespace_decides if {
	some v in found(in_tier("dev", [claim("object", 200 * gi, "200Gi")]))
	contains(v.msg, "tier dev allows 100Gi")
	found(in_tier("lab", [claim("object", 5000 * gi, "5000Gi")])) == set()
}

test_class_comes_before_the_tier if {
	limits := {"parameters": {"class_maximum": {"fast*": 10 * gi, "*": 20 * gi}}}
	some v in found(object.union(request([claim("object", 15 * gi, "15Gi")]), limits))
	contains(v.msg, "class fast allows 10Gi")
	larger := {"parameters": {"class_maximum": {"fast": 9000 * gi}}}
	found(object.union(request([claim("object", 5000 * gi, "5000Gi")]), larger)) == set()
}

test_scratch_space_and_claims_of_others_are_not_judged if {
	found(request([claim("ephemeral", 20, "20"), claim("reference", 5000 * gi, "5000Gi")])) == set()
}

test_claim_without_size_passes if found(request([object.remove(claim("object", 1, ""), ["size"])])) == set()

test_limit_is_not_rounded if {
	every pair in [[1536 * 1048576, "1536Mi"], [1000, "1000 bytes"]] {
		limits := {"parameters": {"class_maximum": {"fast": pair[0]}, "minimum": 0}}
		some v in found(object.union(request([claim("object", 15 * gi, "15Gi")]), limits))
		contains(v.fix, sprintf("Ask for %s or less", [pair[1]]))
	}
}

test_units_are_read_as_written if {
	found(request([claim("object", 1000000, "1M")])) == set()
	count(found(request([claim("object", 1, "1000m")]))) == 1
	count(found(request([claim("object", 1000, "1e3")]))) == 1
}

test_claim_for_a_small_volume_passes if {
	document := request([claim("object", 1000, "1000")])
	found(object.union(document, {"related": {"pvs": [{"name": "pv", "capacity": 1000}]}})) == set()
	count(found(object.union(document, {"related": {"pvs": [{"name": "pv", "capacity": 80 * gi}]}}))) == 1
}

test_size_of_an_export_made_by_hand_is_only_a_number if {
	one := object.union(claim("object", 20000 * gi, "20000Gi"), {"volume_name": "films"})
	every volume in [{"source": "nfs"}, {"source": "csi", "driver": "smb.csi.k8s.io"}] {
		known := object.union(volume, {"name": "films", "annotations": {}})
		found(object.union(request([one]), {"related": {"pvs": [known]}})) == set()
		made := object.union(known, {"annotations": {"pv.kubernetes.io/provisioned-by": "nfs.csi.k8s.io"}})
		count(found(object.union(request([one]), {"related": {"pvs": [made]}}))) == 1
	}
	ordered := {"source": "csi", "driver": "ebs.csi.aws.com", "name": "films", "annotations": {}}
	count(found(object.union(request([one]), {"related": {"pvs": [ordered]}}))) == 1
}
