package stategate.lifecycle.termination_grace_period_test

import data.stategate.lifecycle.termination_grace_period as policy

spec := ["spec", "template", "spec"]

request(engine, seconds) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "events",
		"engine": {"name": engine},
		"termination_grace_seconds": seconds,
		"pods": {"spec_path": spec},
	},
	"parameters": {"min_seconds": {"kafka": 120, "redis": 30}, "min_seconds_other": 10},
}

found(document) := violations if violations := policy.violation with input as document

test_enough_passes if {
	found(request("kafka", 120)) == set()
	found(request("redis", 30)) == set()
}

test_the_default_is_too_short_for_kafka if {
	some v in found(request("kafka", 30))
	v.msg == "kafka has 30 seconds to shut down and may need 120: then it is killed and recovers from its log"
	v.path == array.concat(spec, ["terminationGracePeriodSeconds"])
	v.fix == "Set terminationGracePeriodSeconds: 120 in the pod's spec"
}

test_zero_without_volumes_fails_for_everybody if {
	count(found(request("redis", 0))) == 1
	count(found(request("tempo", 0))) == 1
	some v in found(json.remove(request("x", 0), ["workload/engine"]))
	startswith(v.msg, "StatefulSet events has 0 seconds")
}

test_unknown_engine_passes_with_the_default if {
	found(request("tempo", 30)) == set()
	found(json.remove(request("x", 30), ["workload/engine"])) == set()
}

test_bare_pod_has_its_own_path if {
	some v in found(object.union(request("kafka", 30), {"workload": {"pods": {"spec_path": ["spec"]}}}))
	v.path == ["spec", "terminationGracePeriodSeconds"]
}

test_kinds_without_pods_pass if {
	found(json.remove(request("kafka", 30), ["workload/termination_grace_seconds"])) == set()
}

patched(document) := patches if patches := policy.patch with input as document

test_too_little_is_raised_in_files if {
	path := array.concat(spec, ["terminationGracePeriodSeconds"])
	patched(request("kafka", 30)) == {{"op": "add", "path": path, "value": 120}}
	patched(request("redis", 0)) == {{"op": "add", "path": path, "value": 30}}
	patched(request("kafka", 120)) == set()
}

test_zero_with_a_volume_is_told_once if {
	mounts := {"workload": {"containers": [{"mounts": [{"source": "volumeClaimTemplate", "read_only": false}]}]}}
	found(object.union(request("kafka", 0), mounts)) == set()
	count(found(object.union(request("kafka", 5), mounts))) == 1
}

test_a_store_in_memory_has_nothing_to_flush if {
	found(object.union(request("kafka", 30), {"workload": {"engine": {"volatile": true}}})) == set()
}

in_the_pod := {"workload": {
	"containers": [],
	"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]},
}}

test_data_of_the_only_pod_goes_with_it if {
	found(object.union(request("kafka", 30), in_the_pod)) == set()
	patched(object.union(request("kafka", 30), in_the_pod)) == set()
}

test_other_members_wait_for_a_handover if {
	several := object.union(in_the_pod, {"workload": {"replicas": 3}})
	count(found(object.union(request("kafka", 30), several))) == 1
}

runs(command) := found(object.union(object.remove(request("x", 1), ["workload"]), {"workload": object.union(
	object.remove(request("x", 1).workload, ["engine"]),
	{"containers": [{"role": "main", "command": command, "args": []}]},
)}))

test_a_program_that_only_sleeps_passes if {
	every command in [["sleep", "3600"], ["/bin/sh", "-c", "sleep infinity"], ["tail", "-f", "/dev/null"]] {
		runs(command) == set()
	}
	some v in runs(["/bin/sh", "-c", "sleep 5; exec ledger"])
	endswith(v.msg, "then it is killed in the middle of what it writes")
}
