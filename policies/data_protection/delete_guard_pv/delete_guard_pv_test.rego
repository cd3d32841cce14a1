package stategate.data_protection.delete_guard_pv_test

import data.stategate.data_protection.delete_guard_pv as policy

request(a_volume, annotations) := {
	"review": {
		"operation": "DELETE",
		"userInfo": {"username": "alice", "groups": []},
		"oldObject": {"spec": {"capacity": {"storage": "20Gi"}}},
	},
	"old_workload": {
		"name": "pv-1", "namespace": "", "annotations": annotations, "confirmed_at": {},
		"persistent_volume": a_volume,
	},
	"related": {},
	"parameters": {"exempt_users": []},
	"now": "2026-01-01T00:00:00Z",
}

volume(phase, reclaim_policy) := {
	"phase": phase, "reclaim_policy": reclaim_policy,
	"claim": "shop/data-pg-0", "claim_name": "data-pg-0", "claim_namespace": "shop",
}

found(document) := violations if violations := policy.violation with input as document

of(phase, reclaim_policy) := found(request(volume(phase, reclaim_policy), {}))

test_bound_fails if {
	some v in of("Bound", "Delete")
	startswith(v.msg, "deleting PersistentVolume pv-1 (20Gi, claim shop/data-pg-0): nobody has confirmed it; it hangs")
	contains(v.msg, "then the disk is erased")
	startswith(v.fix, "Take a snapshot or a backup; to keep the disk: kubectl patch pv pv-1 -p '{")
	contains(v.fix, "kubectl get pv pv-1 -o yaml > pv-1.yaml")
	contains(v.fix, "kubectl annotate pv pv-1 --overwrite stategate.io/confirm-delete='pv-1', then delete it again")
	some w in of("Bound", "Retain")
	contains(w.msg, "the disk stays (reclaim policy Retain), but nothing leads to it")
	startswith(w.fix, "Keep its manifest")
}

test_a_claim_counts_whatever_the_status_says if {
	count(found(request(object.remove(volume("", "Delete"), ["phase"]), {}))) == 1
	count(of("Pending", "Delete")) == 1
}

test_the_only_record_of_a_disk_fails if {
	some v in of("Released", "Retain")
	contains(v.msg, "nothing else says which one it is")
}

test_what_is_on_its_way_passes if {
	of("Released", "Delete") == set()
	of("Failed", "Delete") == set()
	of("Available", "Retain") == set()
}

test_confirmed_passes if {
	found(request(volume("Bound", "Delete"), {"stategate.io/confirm-delete": "pv-1"})) == set()
}
