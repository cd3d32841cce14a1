package stategate.lifecycle.scale_to_zero_guard_test

import data.stategate.lifecycle.scale_to_zero_guard as policy

workload(replicas, annotations) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"replicas": replicas,
	"annotations": annotations,
}

request(old, new, annotations) := {
	"review": {"operation": "UPDATE", "userInfo": {"username": "alice"}},
	"old_workload": workload(old, {}),
	"workload": workload(new, annotations),
	"related": {},
	"parameters": {"exempt_users": ["system:serviceaccount:downscaler:*"]},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

test_zero_fails if {
	some v in found(request(3, 0, {}))
	v.msg == "scaling StatefulSet pg from 3 to 0 stops it for everybody: nobody has confirmed it"
	v.path == ["spec", "replicas"]
	v.fix == concat(" ", [
		"kubectl annotate statefulset pg -n shop --overwrite stategate.io/confirm-scale='3->0',",
		"then scale it again",
	])
}

test_confirmed_passes if found(request(3, 0, {"stategate.io/confirm-scale": "3->0"})) == set()

test_confirmation_must_name_the_step if {
	every said in ["2->0", "0", "true", ""] {
		count(found(request(3, 0, {"stategate.io/confirm-scale": said}))) == 1
	}
}

test_confirmation_runs_out if {
	some v in found(request(3, 0, {
		"stategate.io/confirm-scale": "3->0",
		"stategate.io/confirm-until": "2025-12-31T00:00:00Z",
	}))
	contains(v.msg, "has run out")
	endswith(v.fix, "stategate.io/confirm-until-, then scale it again")
}

test_other_steps_pass if {
	found(request(3, 1, {})) == set()
	found(request(0, 3, {})) == set()
	found(request(0, 0, {})) == set()
}

test_exempt_users_pass if {
	user := {"username": "system:serviceaccount:downscaler:kube-downscaler"}
	found(object.union(request(3, 0, {}), {"review": {"userInfo": user}})) == set()
}

takes_claims := {"workload": {
	"retention": {"when_deleted": "Retain", "when_scaled": "Delete"},
	"claims": [{"name": "data", "origin": "template"}],
}}

test_claims_that_go_are_named if {
	claim := {"name": "data-pg-0", "template": "data", "phase": "Bound", "volume_name": "pv-1", "size_text": "5Gi"}
	document := object.union(request(1, 0, {}), object.union(takes_claims, {"related": {"pvcs": [claim]}}))
	some v in found(document)
	contains(v.msg, "nobody has confirmed it; it deletes 1 bound claim (whenScaled: Delete): data-pg-0 (5Gi): the disk")
	startswith(v.fix, "To keep the claims first: kubectl patch statefulset pg -n shop --type=merge")
	contains(v.fix, "confirm-scale='1->0', then scale it again")
}

test_claims_that_are_not_known_go_as_well if {
	some v in found(object.union(request(1, 0, {}), takes_claims))
	endswith(v.msg, "; the claims of its pods are deleted (whenScaled: Delete)")
}

test_nothing_bound_nothing_lost if {
	some v in found(object.union(request(1, 0, {}), object.union(takes_claims, {"related": {"pvcs": []}})))
	endswith(v.msg, "nobody has confirmed it")
	startswith(v.fix, "kubectl annotate")
}

test_data_in_the_pods_goes_with_them if {
	dir := {"dir": "/data", "container": "pg", "origin": "default", "mount": {"source": "emptyDir"}}
	engine := {"engine": {"name": "redis", "container": "pg", "data_dirs": [dir]}}
	document := object.union(request(1, 0, {}), {"old_workload": engine, "workload": engine})
	some v in found(document)
	endswith(v.msg, "nobody has confirmed it; its data is lost with them, since it is in an emptyDir of its pods")
	startswith(v.fix, "First save the data (redis-cli --rdb")
	contains(v.fix, "); to scale it all the same: kubectl annotate statefulset pg -n shop --overwrite")
}
