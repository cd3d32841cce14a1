package stategate.data_protection.delete_guard_pvc_test

import data.stategate.data_protection.delete_guard_pvc as policy

claim := {"name": "data-pg-0", "origin": "object", "phase": "Bound", "volume_name": "pvc-7f1", "size_text": "20Gi"}

request(claims, annotations, user) := {
	"review": {"operation": "DELETE", "userInfo": user},
	"old_workload": {"name": "data-pg-0", "namespace": "shop", "annotations": annotations, "claims": claims},
	"parameters": {"exempt_users": ["system:serviceaccount:operators:*"]},
	"related": {},
	"now": "2026-01-01T00:00:00Z",
}

alice := {"username": "alice", "groups": ["system:masters", "system:authenticated"]}

found(document) := violations if violations := policy.violation with input as document

by_alice(annotations) := found(request([claim], annotations, alice))

confirmed := {"stategate.io/confirm-delete": "data-pg-0"}

test_unconfirmed_fails if {
	some v in by_alice({})
	v.msg == concat("; ", [
		"deleting claim data-pg-0 (20Gi) lets go of its volume pvc-7f1: nobody has confirmed it",
		"the disk is erased unless its reclaim policy is Retain",
	])
	contains(v.fix, "kubectl annotate pvc data-pg-0 -n shop --overwrite stategate.io/confirm-delete='data-pg-0', then")
	v.path == ["metadata", "annotations", "stategate.io/confirm-delete"]
}

test_confirmed_passes if by_alice(confirmed) == set()

test_confirmation_must_name_the_claim if {
	some v in by_alice({"stategate.io/confirm-delete": "data-pg-1"})
	contains(v.msg, "the confirmation says data-pg-1")
	count(by_alice({"stategate.io/confirm-delete": "true"})) == 1
	count(by_alice({"stategate.io/confirm-delete": ""})) == 1
}

test_confirmation_counts_until_its_time if {
	by_alice(object.union(confirmed, {"stategate.io/confirm-until": "2026-01-01T00:30:00Z"})) == set()
	some v in by_alice(object.union(confirmed, {"stategate.io/confirm-until": "2025-12-31T23:59:59Z"}))
	contains(v.msg, "has run out")
	contains(v.fix, "confirm-delete='data-pg-0' stategate.io/confirm-until-, then")
}

test_time_that_cannot_be_read_does_not_count if {
	every until in ["tomorrow", "2026-13", "2026-01-01T12:00:00+02:00", "9999"] {
		count(by_alice(object.union(confirmed, {"stategate.io/confirm-until": until}))) == 1
	}
}

test_unbound_claim_has_nothing_to_lose if {
	pending := {"name": "data-pg-0", "origin": "object", "phase": "Pending"}
	found(request([pending], {}, alice)) == set()
	found(request([object.remove(pending, ["phase"])], {}, alice)) == set()
}

test_named_volume_counts_before_the_status_says_so if {
	every binding in [object.union(claim, {"phase": "Pending"}), object.remove(claim, ["phase"])] {
		count(found(request([binding], {}, alice))) == 1
	}
}

test_named_volume_counts_whatever_the_status_says if {
	every phase in ["", "bound", "Released"] {
		count(found(request([object.union(claim, {"phase": phase})], {}, alice))) == 1
	}
}

test_lost_claim_has_no_volume if found(request([object.union(claim, {"phase": "Lost"})], {}, alice)) == set()

test_bound_claim_without_volume_name_fails if {
	some v in found(request([object.remove(claim, ["volume_name"])], {}, alice))
	startswith(v.msg, "deleting claim data-pg-0 (20Gi) lets go of its volume: nobody has confirmed it")
}

test_garbage_collector_and_operators_are_exempt if {
	every user in [
		"system:serviceaccount:kube-system:generic-garbage-collector",
		"system:serviceaccount:operators:pg",
	] {
		found(request([claim], {}, {"username": user, "groups": ["system:serviceaccounts"]})) == set()
	}
}

test_the_account_of_a_job_is_not if {
	every username in [
		"system:serviceaccount:shop:generic-garbage-collector",
		"system:serviceaccount:shop:console-pvc-migrate",
		"system:serviceaccount:kube-system:helm-install-console",
	] {
		user := {"username": username, "groups": ["system:serviceaccounts"]}
		count(found(request([claim], {}, user))) == 1
	}
}

test_what_is_left_is_said if {
	known := {
		"pvs": [{"name": "pvc-7f1", "reclaim_policy": "Delete"}, {"name": "pvc-else", "reclaim_policy": "Retain"}],
		"claim_snapshots": {"data-pg-0": {"name": "nightly", "taken": "2025-12-31T01:00:00Z"}},
	}
	some v in found(object.union(request([claim], {}, alice), {"related": known}))
	contains(v.msg, "the disk is erased (reclaim policy Delete); the newest usable snapshot is nightly of 2025-12-31T01:00:00Z")
	contains(v.fix, "kubectl patch pv pvc-7f1 -p '{\"spec\":{\"persistentVolumeReclaimPolicy\":\"Retain\"}}'; to delete it")
}

test_a_retained_disk_stays if {
	known := {"pvs": [{"name": "pvc-7f1", "reclaim_policy": "Retain"}], "claim_snapshots": {}}
	some v in found(object.union(request([claim], {}, alice), {"related": known}))
	contains(v.msg, "the disk stays (reclaim policy Retain); no usable VolumeSnapshot of it exists")
	not contains(v.fix, "kubectl patch")
}

test_nodes_are_exempt if {
	found(request([claim], {}, {"username": "system:node:a", "groups": ["system:nodes"]})) == set()
}

test_user_without_groups_is_asked if count(found(request([claim], {}, {"username": "bob"}))) == 1

# deletecollection: the request has no name, the claim has.
test_request_without_name_is_judged_by_the_claim if {
	document := object.union(request([claim], {}, alice), {"review": {"name": ""}})
	count(found(document)) == 1
	found(object.union(document, {"old_workload": {"annotations": confirmed}})) == set()
}
