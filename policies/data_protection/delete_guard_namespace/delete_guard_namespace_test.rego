package stategate.data_protection.delete_guard_namespace_test

import data.stategate.data_protection.delete_guard_namespace as policy

claim := {"name": "data-pg-0", "phase": "Bound", "volume_name": "pv-1", "size_text": "20Gi"}

request(related, annotations, username) := {
	"review": {"operation": "DELETE", "userInfo": {"username": username, "groups": []}},
	"old_workload": {"name": "shop", "namespace": "shop", "annotations": annotations, "confirmed_at": {}},
	"related": related,
	"parameters": {"exempt_users": []},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

by_alice(related) := found(request(related, {}, "alice"))

test_bound_claims_fail if {
	some v in by_alice({"pvcs": [claim]})
	startswith(v.msg, "deleting Namespace shop deletes its 1 bound claim: nobody has confirmed it; data-pg-0 (20Gi): the disk is")
	contains(v.fix, "kubectl annotate namespace shop --overwrite stategate.io/confirm-delete='shop', then delete it again")
	not contains(v.msg, "VolumeSnapshots in it")
}

test_snapshots_in_it_go_too if {
	some v in by_alice({"pvcs": [claim], "claim_snapshots": {"data-pg-0": {"name": "nightly"}}})
	contains(v.msg, "the newest usable snapshot is nightly; VolumeSnapshots in it go, too")
}

test_only_five_are_listed if {
	claims := [object.union(claim, {"name": name}) | some name in ["a", "b", "c", "d", "e", "f", "g"]]
	some v in by_alice({"pvcs": claims})
	contains(v.msg, "its 7 bound claims")
	contains(v.msg, "; and 2 more")
}

test_what_was_never_bound_passes if {
	by_alice({"pvcs": []}) == set()
	by_alice({"pvcs": [{"name": "data-pg-0", "phase": "Pending"}]}) == set()
}

test_confirmed_passes if found(request({"pvcs": [claim]}, {"stategate.io/confirm-delete": "shop"}, "alice")) == set()

test_controllers_pass if {
	found(request({"pvcs": [claim]}, {}, "system:serviceaccount:kube-system:namespace-controller")) == set()
}
