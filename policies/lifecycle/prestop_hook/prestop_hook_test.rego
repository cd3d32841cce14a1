package stategate.lifecycle.prestop_hook_test

import data.stategate.lifecycle.prestop_hook as policy

container(overrides) := object.union(
	{
		"name": "ring",
		"role": "main",
		"engine": "cassandra",
		"path": ["spec", "template", "spec", "containers", 0],
	},
	overrides,
)

request(replicas, one) := {
	"workload": {"replicas": replicas, "containers": [one]},
	"parameters": {"commands": {"cassandra": "nodetool drain"}},
}

found(document) := violations if violations := policy.violation with input as document

test_hook_passes if {
	every hook in ["exec", "httpGet"] {
		found(request(3, container({"lifecycle": {"pre_stop": hook}}))) == set()
	}
}

test_no_hook_fails if {
	some v in found(request(3, container({})))
	v.msg == "container ring stops without handing over: it has no preStop hook that drains it"
	v.path == ["spec", "template", "spec", "containers", 0]
	v.fix == "Add lifecycle: {preStop: {exec: {command: [sh, -c, 'nodetool drain']}}} to container ring"
}

test_sleeping_is_no_handover if count(found(request(3, container({"lifecycle": {"pre_stop": "sleep"}})))) == 1

with_command(command) := object.union(request(3, container({"lifecycle": {"pre_stop": "exec"}})), {"review": {"object": {
	"spec": {"template": {"spec": {"containers": [{"lifecycle": {"preStop": {"exec": {"command": command}}}}]}}},
}}})

# Paths in objects go through lists only by number.
test_program_that_sleeps_is_no_handover if {
	count(found(with_command(["sleep", "30"]))) == 1
	count(found(with_command(["/bin/sh", "-c", "sleep 15"]))) == 1
	found(with_command(["sh", "-c", "sleep 5; nodetool drain"])) == set()
	found(with_command(["nodetool", "drain"])) == set()
}

test_a_post_start_hook_is_none if count(found(request(3, container({"lifecycle": {}})))) == 1

test_other_engines_and_helpers_pass if {
	found(request(3, container({"engine": "postgres"}))) == set()
	found(request(3, container({"role": "init"}))) == set()
}

test_one_replica_has_nobody_to_hand_over_to if found(request(1, container({}))) == set()
