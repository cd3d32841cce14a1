package stategate.data_protection.pv_reclaim_flip_test

import data.stategate.data_protection.pv_reclaim_flip as policy

view(reclaim_policy, overrides) := {
	"name": "pv-1", "namespace": "", "annotations": {}, "confirmed_at": {},
	"persistent_volume": object.union(
		{"reclaim_policy": reclaim_policy, "phase": "Bound", "claim": "shop/data-pg-0", "claim_name": "data-pg-0"},
		overrides,
	),
}

request(old, new) := {
	"review": {"operation": "UPDATE", "userInfo": {"username": "alice", "groups": []}},
	"old_workload": old,
	"workload": new,
	"related": {},
	"parameters": {"exempt_users": []},
	"now": "2026-01-01T00:00:00Z",
}

found(old, new) := violations if violations := policy.violation with input as request(old, new)

test_flip_fails if {
	some v in found(view("Retain", {}), view("Delete", {}))
	startswith(v.msg, "PersistentVolume pv-1 of claim shop/data-pg-0 changes from Retain to Delete: nobody has confirmed it")
	contains(v.msg, "the disk is erased when the claim is deleted")
	v.path == ["spec", "persistentVolumeReclaimPolicy"]
}

test_released_is_erased_at_once if {
	released := {"phase": "Released"}
	some v in found(view("Retain", released), view("Delete", released))
	contains(v.msg, "erased at once")
}

confirmed := {"annotations": {"stategate.io/confirm-delete": "pv-1"}}

test_confirmed_before_passes if found(object.union(view("Retain", {}), confirmed), view("Delete", {})) == set()

test_confirmed_with_the_change_does_not if {
	count(found(view("Retain", {}), object.union(view("Delete", {}), confirmed))) == 1
}

test_other_changes_pass if {
	found(view("Delete", {}), view("Retain", {})) == set()
	found(view("Delete", {}), view("Delete", {})) == set()
	found(view("Retain", {}), view("Retain", {})) == set()
}

test_volume_without_claim_passes if {
	free := json.remove(view("Delete", {}), ["persistent_volume/claim"])
	found(view("Retain", {}), free) == set()
}
