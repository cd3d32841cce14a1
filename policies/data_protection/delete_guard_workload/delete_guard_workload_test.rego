package stategate.data_protection.delete_guard_workload_test

import data.stategate.data_protection.delete_guard_workload as policy

workload(when_deleted) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"annotations": {},
	"confirmed_at": {},
	"retention": {"when_deleted": when_deleted, "when_scaled": "Retain"},
	"claims": [{"name": "data", "origin": "template"}],
}

claim := {"name": "data-pg-0", "phase": "Bound", "volume_name": "pv-1", "size_text": "20Gi", "owned": false, "template": "data"}

request(view, related, options) := {
	"review": {"operation": "DELETE", "userInfo": {"username": "alice", "groups": []}, "options": options},
	"old_workload": view,
	"related": related,
	"parameters": {"exempt_users": []},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

background := {"propagationPolicy": "Background"}

test_claims_that_are_deleted_fail if {
	some v in found(request(workload("Delete"), {"pvcs": [claim]}, background))
	startswith(v.msg, "deleting StatefulSet pg deletes 1 bound claim (whenDeleted: Delete): nobody has confirmed it; data-pg-0 (20Gi)")
	contains(v.fix, "kubectl patch statefulset pg -n shop --type=merge")
	contains(v.fix, "kubectl annotate statefulset pg -n shop --overwrite stategate.io/confirm-delete='pg', then")
}

test_claims_that_are_not_known_fail if {
	some v in found(request(workload("Delete"), {}, null))
	contains(v.msg, "deletes the claims of its pods (whenDeleted: Delete)")
}

test_claims_that_stay_pass if {
	found(request(workload("Retain"), {"pvcs": [claim]}, background)) == set()
	found(request(workload("Retain"), {}, background)) == set()
}

test_nothing_bound_passes if found(request(workload("Delete"), {"pvcs": []}, background)) == set()

test_without_templates_nothing_goes if {
	found(request(object.union(workload("Delete"), {"claims": []}), {}, background)) == set()
}

test_owned_claims_fail if {
	some v in found(request(workload("Retain"), {"pvcs": [object.union(claim, {"owned": true})]}, background))
	contains(v.msg, "deletes 1 bound claim (their owner references lead to it)")
	contains(v.fix, "remove their owner references")
}

test_orphans_pass if {
	every options in [{"propagationPolicy": "Orphan"}, {"orphanDependents": true}] {
		found(request(workload("Delete"), {"pvcs": [claim]}, options)) == set()
	}
}

test_confirmed_passes if {
	confirmed := object.union(workload("Delete"), {"annotations": {"stategate.io/confirm-delete": "pg"}})
	found(request(confirmed, {"pvcs": [claim]}, background)) == set()
}
