package stategate.lifecycle.min_ready_seconds_test

import data.stategate.lifecycle.min_ready_seconds as policy

request(seconds, overrides) := {
	"workload": object.union(
		{"name": "ring", "replicas": 3, "min_ready_seconds": seconds, "update": {"type": "RollingUpdate"}},
		overrides,
	),
	"parameters": {"min": 10},
}

found(document) := violations if violations := policy.violation with input as document

patched(document) := patches if patches := policy.patch with input as document

test_enough_passes if {
	found(request(10, {})) == set()
	patched(request(10, {})) == set()
}

test_zero_fails_and_is_set if {
	some v in found(request(0, {}))
	v.msg == "minReadySeconds 0 of ring lets the next member restart before this one has caught up"
	v.path == ["spec", "minReadySeconds"]
	v.fix == "Set minReadySeconds: 10"
	patched(request(0, {})) == {{"op": "add", "path": ["spec", "minReadySeconds"], "value": 10}}
}

test_too_little_fails_and_is_left_alone if {
	count(found(request(5, {}))) == 1
	patched(request(5, {})) == set()
}

test_one_replica_passes if {
	found(request(0, {"replicas": 1})) == set()
	patched(request(0, {"replicas": 1})) == set()
}

test_on_delete_passes if patched(request(0, {"update": {"type": "OnDelete"}})) == set()
