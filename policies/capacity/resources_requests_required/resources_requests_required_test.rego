package stategate.capacity.resources_requests_required_test

import data.stategate.capacity.resources_requests_required as policy

gi := 1073741824

container(overrides) := object.union(
	{
		"name": "db",
		"role": "main",
		"engine": "postgres",
		"requests": {"cpu": 500, "memory": gi},
		"limits": {"memory": gi},
		"path": ["spec", "template", "spec", "containers", 0],
	},
	overrides,
)

request(containers) := {
	"workload": {"containers": containers},
	"parameters": {
		"require": ["requests.cpu", "requests.memory", "limits.memory"],
		"exclude_containers": ["istio-proxy", "*exporter"],
	},
}

found(document) := violations if violations := policy.violation with input as document

without(keys) := request([json.remove(container({}), keys)])

test_complete_passes if found(request([container({})])) == set()

test_nothing_fails if {
	some v in found(without(["requests/cpu", "requests/memory", "limits/memory"]))
	startswith(v.msg, "container db has no requests.cpu, requests.memory, limits.memory: ")
	v.path == ["spec", "template", "spec", "containers", 0]
	startswith(v.fix, "Set its resources.requests.cpu, resources.requests.memory, resources.limits.memory to")
}

test_no_memory_limit_fails if {
	some v in found(without(["limits/memory"]))
	startswith(v.msg, "container db has no limits.memory: ")
}

test_limit_is_a_request_too if {
	found(without(["requests/memory"])) == set()
	found(request([container({"requests": {"cpu": 0, "memory": gi}})])) == set()
	only_limits := object.union(json.remove(container({}), ["requests/cpu", "requests/memory"]), {"limits": {"cpu": 1000}})
	found(request([only_limits])) == set()
}

test_helpers_pass if {
	every name in ["istio-proxy", "postgres-exporter"] {
		found(request([object.union(json.remove(container({}), ["limits/memory"]), {"name": name})])) == set()
	}
	every role in ["init", "sidecar"] {
		found(request([object.union(json.remove(container({}), ["limits/memory"]), {"role": role})])) == set()
	}
}

ranges(document, list) := object.union(document, {"related": {"limit_ranges": list}})

bare := without(["requests/cpu", "requests/memory", "limits/memory"])

test_limit_range_fills_in if {
	full := {"default_requests": {"cpu": 100}, "default_limits": {"memory": gi}}
	found(ranges(bare, [full])) == set()
	some v in found(ranges(bare, [{"default_requests": {"cpu": 100, "memory": gi}}]))
	startswith(v.msg, "container db has no limits.memory: ")
	some w in found(ranges(bare, [{"default_limits": {"memory": gi}}]))
	startswith(w.msg, "container db has no requests.cpu: ")
}

test_no_limit_range_fills_in_nothing if count(found(ranges(bare, []))) == 1

test_other_things_may_be_asked_for if {
	document := object.union(request([container({})]), {"parameters": {"require": ["limits.cpu"]}})
	some v in found(document)
	startswith(v.msg, "container db has no limits.cpu: ")
	enough := object.union(document, {"workload": {"containers": [container({"limits": {"cpu": 2000}})]}})
	found(enough) == set()
}

whole_pod(kind, resources) := object.union(bare, {
	"workload": object.union(bare.workload, {"kind": kind, "pods": resources}),
})

test_resources_of_the_whole_pod_count if {
	every kind in ["Pod", "StatefulSet"] {
		found(whole_pod(kind, {"requests": {"cpu": 1000}, "limits": {"memory": 4294967296}})) == set()
	}
	some v in found(whole_pod("StatefulSet", {"requests": {"cpu": 1000, "memory": 4294967296}}))
	startswith(v.msg, "container db has no limits.memory: ")
}

plain(name, engine) := {"name": name, "role": "main", "engine": engine, "requests": {}, "limits": {}, "path": [name]}

test_helpers_beside_a_data_store_pass if {
	{v.path | some v in found(request([plain("db", "postgres"), plain("backup-agent", "")]))} == {["db"]}
}

of_kind(kind, containers) := object.union(request(containers), {"workload": {"kind": kind}})

test_stores_that_the_table_lacks_are_judged if {
	on := {path: object.union(plain("app", ""), {"mounts": [{"mount_path": path, "volume": "v", "source": "persistentVolumeClaim"}]}) |
		some path in ["/srv/uploads", "/var/log/app"]
	}
	count(found(of_kind("StatefulSet", [on["/srv/uploads"]]))) == 1
	found(of_kind("StatefulSet", [on["/var/log/app"]])) == set()
	found(of_kind("Deployment", [on["/srv/uploads"]])) == set()
}

test_of_several_those_that_keep_data_are_judged if {
	store := object.union(
		plain("app", ""),
		{"mounts": [{"mount_path": "/srv/x", "volume": "v", "source": "persistentVolumeClaim"}]},
	)
	containers := [store, object.union(plain("tail", ""), {"mounts": []}), object.union(store, {"name": "more"})]
	count(found(of_kind("StatefulSet", containers))) == 2
}
