package stategate.data_protection.finalizer_removal_guard_test

import data.stategate.data_protection.finalizer_removal_guard as policy

claim := {"name": "data-pg-0", "origin": "object", "phase": "Bound", "volume_name": "pv-1", "size_text": "20Gi"}

of_claim(before, after, annotations) := {
	"review": {
		"operation": "UPDATE",
		"userInfo": {"username": "alice", "groups": []},
		"object": {"metadata": {"finalizers": after}},
		"oldObject": {"metadata": {"finalizers": before}},
	},
	"workload": {
		"name": "data-pg-0", "namespace": "shop", "annotations": annotations, "confirmed_at": {},
		"claims": [claim],
	},
	"old_workload": {"name": "data-pg-0", "namespace": "shop", "annotations": {}, "claims": [claim]},
	"related": {},
	"parameters": {"exempt_users": ["system:serviceaccount:storage:*"]},
	"now": "2026-01-01T00:00:00Z",
}

protection := "kubernetes.io/pvc-protection"

found(document) := violations if violations := policy.violation with input as document

test_removed_fails if {
	some v in found(of_claim([protection], [], {}))
	startswith(v.msg, "removing kubernetes.io/pvc-protection from claim data-pg-0 (20Gi): nobody has confirmed it; once it is")
	contains(v.fix, "kubectl describe pvc data-pg-0 -n shop")
	contains(v.fix, "stategate.io/confirm-finalizer-removal='kubernetes.io/pvc-protection', then remove it again")
}

test_null_is_removed if count(found(of_claim([protection], null, {}))) == 1

test_kept_passes if {
	found(of_claim([protection], ["example.com/other", protection], {})) == set()
	found(of_claim(["example.com/other"], [], {})) == set()
	found(of_claim(null, [], {})) == set()
}

test_confirmed_passes if {
	found(of_claim([protection], [], {"stategate.io/confirm-finalizer-removal": protection})) == set()
}

test_confirmation_must_name_the_finalizer if {
	count(found(of_claim([protection], [], {"stategate.io/confirm-finalizer-removal": "true"}))) == 1
}

test_unbound_claim_passes if {
	pending := {"claims": [{"name": "data-pg-0", "origin": "object", "phase": "Pending"}]}
	found(object.union(of_claim([protection], [], {}), {"old_workload": pending})) == set()
}

test_its_controller_passes if {
	user := {"review": {"userInfo": {"username": "system:serviceaccount:kube-system:pvc-protection-controller"}}}
	found(object.union(of_claim([protection], [], {}), user)) == set()
}

of_volume(phase) := object.union(of_claim(["kubernetes.io/pv-protection"], [], {}), {
	"workload": {"name": "pv-1", "namespace": "", "claims": []},
	"old_workload": {
		"name": "pv-1", "namespace": "", "claims": [],
		"persistent_volume": {"phase": phase, "claim": "shop/data-pg-0", "claim_name": "data-pg-0"},
	},
})

test_volume_fails if {
	some v in found(of_volume("Bound"))
	contains(v.msg, "from PersistentVolume pv-1: nobody has confirmed it; once it is deleted, it goes although claim shop/data-pg-0")
	contains(v.fix, "kubectl annotate pv pv-1 --overwrite")
}

test_free_volume_passes if {
	found(of_volume("Available")) == set()
	found(of_volume("Released")) == set()
}
