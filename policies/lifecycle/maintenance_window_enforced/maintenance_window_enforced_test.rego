package stategate.lifecycle.maintenance_window_enforced_test

import data.stategate.lifecycle.maintenance_window_enforced as policy

key := "stategate.io/maintenance-window"

workload(annotations) := {
	"kind": "StatefulSet",
	"name": "pg",
	"annotations": annotations,
	"pods": {"path": ["spec", "template"]},
}

# Thursday at midnight.
request(old, new) := {
	"review": {
		"userInfo": {"username": "alice"},
		"oldObject": {"spec": {"replicas": 3, "template": {"image": "postgres:16.3"}}},
		"object": {"spec": {"replicas": 3, "template": {"image": "postgres:16.4"}}},
	},
	"old_workload": workload(old),
	"workload": workload(new),
	"parameters": {"exempt_users": ["system:serviceaccount:upgrades:*"]},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

inside := {key: "Wed-Thu 23:00-02:00 UTC"}

outside := {key: "Sat 01:00-05:00 UTC"}

test_inside_passes if found(request(inside, inside)) == set()

test_outside_fails if {
	some v in found(request(outside, outside))
	v.msg == "this update restarts the pods of StatefulSet pg outside its maintenance window, Sat 01:00-05:00 UTC"
	v.path == ["spec", "template"]
}

test_no_window_passes if found(request({}, {})) == set()

test_only_the_template_restarts_pods if {
	same := {"review": {"object": {"spec": {"replicas": 5, "template": {"image": "postgres:16.3"}}}}}
	found(object.union(request(outside, outside), same)) == set()
}

test_the_window_is_not_moved_in_passing if {
	count(found(request(outside, inside))) == 1
	count(found(request(outside, {}))) == 1
}

test_a_new_window_counts_at_once if count(found(request({}, outside))) == 1

of_namespace(document, annotations) := object.union(document, {"related": {"namespace": {"annotations": annotations}}})

test_the_namespace_s_window_counts if {
	count(found(of_namespace(request({}, {}), outside))) == 1
	found(of_namespace(request({}, {}), inside)) == set()
	found(of_namespace(request(inside, inside), outside)) == set()
}

test_a_new_window_does_not_replace_the_namespace_s_at_once if {
	count(found(of_namespace(request({}, inside), outside))) == 1
}

test_unreadable_window_is_never_open if {
	some v in found(request({key: "weekends"}, {key: "weekends"}))
	endswith(v.msg, "but its maintenance window cannot be read: weekends")
}

emergency(reason) := object.union(outside, {"stategate.io/emergency": reason})

test_emergency_has_a_reason if {
	found(request(outside, emergency("disk full on pg-0"))) == set()
	count(found(request(outside, emergency("    yes     ")))) == 1
	count(found(request(emergency("disk full on pg-0"), outside))) == 1
}

test_exempt_users_pass if {
	user := {"review": {"userInfo": {"username": "system:serviceaccount:upgrades:bot"}}}
	found(object.union(request(outside, outside), user)) == set()
}
