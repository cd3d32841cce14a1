package stategate.capacity.resources_memory_guaranteed_test

import data.stategate.capacity.resources_memory_guaranteed as policy

gi := 1073741824

container(requests, limits) := {
	"name": "db",
	"role": "main",
	"engine": "postgres",
	"requests": requests,
	"limits": limits,
	"mounts": [{"source": "volumeClaimTemplate", "read_only": false}],
	"path": ["spec", "template", "spec", "containers", 0],
}

request(one, require_cpu) := {"workload": {"containers": [one]}, "parameters": {"require_cpu": require_cpu, "exempt_engines": ["loki"]}}

found(document) := violations if violations := policy.violation with input as document

test_equal_memory_passes if {
	found(request(container({"cpu": 500, "memory": 2 * gi}, {"memory": 2 * gi}), false)) == set()
}

test_smaller_request_fails if {
	some v in found(request(container({"memory": gi}, {"memory": 2 * gi}), false))
	v.msg == "container db may use more memory than it reserves: when the node runs short it is evicted or killed first"
	v.path == ["spec", "template", "spec", "containers", 0, "resources", "requests", "memory"]
	v.fix == "Set its requests.memory to its limits.memory"
}

scaled(mode) := object.union(
	request(container({"memory": gi}, {"memory": 2 * gi}), false),
	{"related": {"autoscalers": [{"kind": "VerticalPodAutoscaler", "name": "pg", "mode": mode}]}},
)

test_what_overwrites_the_request_is_named if {
	some v in found(scaled("InPlaceOrRecreate"))
	contains(v.fix, "let VerticalPodAutoscaler pg leave it alone, lest it sets another one (controlledResources: [cpu]")
	some x in found(object.union(scaled("Auto"), {"parameters": {"require_cpu": true}}))
	contains(x.fix, "(mode: \"Off\" in its containerPolicies)")
	some w in found(scaled("Off"))
	w.fix == "Set its requests.memory to its limits.memory"
}

test_missing_values_are_another_policy_s_matter if {
	found(request(container({"memory": gi}, {}), false)) == set()
	found(request(container({}, {"memory": gi}), false)) == set()
}

test_cpu_passes_unless_asked_for if {
	one := container({"cpu": 500, "memory": gi}, {"cpu": 2000, "memory": gi})
	found(request(one, false)) == set()
	some v in found(request(one, true))
	contains(v.msg, "more cpu than it reserves: its pod is not of the class Guaranteed")
}

test_containers_without_engine_pass if {
	one := container({"memory": gi}, {"memory": 2 * gi})
	found(request(object.union(one, {"engine": ""}), false)) == set()
	found(request(object.union(one, {"role": "init"}), false)) == set()
}

test_what_keeps_nothing_or_little_passes if {
	one := container({"memory": gi}, {"memory": 2 * gi})
	every change in [
		{"mounts": [{"source": "emptyDir", "read_only": false}]},
		{"mounts": []},
		{"engine": "loki"},
		{"image": {"repository": "clickhouse/clickhouse-keeper"}},
	] {
		found(request(object.union(one, change), false)) == set()
	}
	every setting in ["evicts", "volatile"] {
		found(object.union(request(one, false), {"workload": {"engine": {setting: true}}})) == set()
	}
}
