package stategate.capacity.resources_engine_memory_ratio_test

import data.stategate.capacity.resources_engine_memory_ratio as policy

gi := 1073741824

path := ["spec", "template", "spec", "containers", 0, "args", 1]

container(engine, name, size) := {
	"name": "db",
	"engine": engine,
	"limits": {"memory": 4 * gi},
	"memory_settings": [{"name": name, "bytes": size * gi, "text": sprintf("%dGB", [size]), "path": path}],
}

request(one) := {
	"workload": {"containers": [one]},
	"parameters": {
		"max_percent": {"-Xmx": 75, "-XX:MaxRAMPercentage": 75, "shared_buffers": 40, "maxmemory": 90},
		"max_heap_percent": {"elasticsearch": 50},
	},
}

found(one) := violations if violations := policy.violation with input as request(one)

test_fitting_passes if {
	found(container("postgres", "shared_buffers", 1)) == set()
	found(container("kafka", "-Xmx", 3)) == set()
	found(container("redis", "maxmemory", 3)) == set()
	found(container("elasticsearch", "-Xmx", 2)) == set()
}

test_too_much_fails if {
	some v in found(container("postgres", "shared_buffers", 2))
	v.msg == concat(" ", [
		"shared_buffers 2GB is 50% of the memory limit of container db, above 40%:",
		"what comes on top gets it killed",
	])
	v.path == path
	v.fix == "Lower shared_buffers to at most 40% of the memory limit of container db, or raise the limit"
}

test_more_than_there_is_fails if {
	some v in found(container("redis", "maxmemory", 8))
	contains(v.msg, "is 200% of")
}

test_heap_is_judged_by_engine if {
	some v in found(container("elasticsearch", "-Xmx", 3))
	contains(v.msg, "above 50%")
	count(found(container("elasticsearch", "-XX:MaxRAMPercentage", 3))) == 1
	found(container("", "-Xmx", 3)) == set()
	count(found(container("", "-Xmx", 4))) == 1
}

test_no_limit_is_another_policy_s_matter if {
	found(object.union(container("redis", "maxmemory", 8), {"limits": {"memory": 0}})) == set()
	found(json.remove(container("redis", "maxmemory", 8), ["limits/memory"])) == set()
}

test_settings_without_a_ratio_pass if found(container("x", "other", 8)) == set()

test_setting_that_cannot_be_read_passes if {
	found(json.remove(container("redis", "maxmemory", 8), ["memory_settings/0/bytes"])) == set()
}

test_no_settings_pass if {
	found(json.remove(container("redis", "maxmemory", 8), ["memory_settings"])) == set()
}
