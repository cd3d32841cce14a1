package stategate.lifecycle.change_one_thing_test

import data.stategate.lifecycle.change_one_thing as policy

before := {
	"name": "pg",
	"replicas": 3,
	"engine": {"name": "postgres"},
	"containers": [
		{"name": "db", "engine": "postgres", "image_name": "postgres:16.3", "requests": {"memory": 1}},
		{"name": "exporter", "engine": "", "image_name": "exporter:1"},
	],
	"scheduling": {"node_selector": {}},
	"volumes": [
		{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
		{"name": "tmp", "source": "emptyDir"},
		{"name": "conf", "source": "configMap"},
	],
}

update(changes) := violations if {
	after := object.union(before, changes)
	violations := policy.violation with input as {"old_workload": before, "workload": after}
}

image := {"containers": [
	{"name": "db", "engine": "postgres", "image_name": "postgres:16.4", "requests": {"memory": 2}},
	{"name": "exporter", "engine": "", "image_name": "exporter:2"},
]}

replicas := {"replicas": 5}

place := {"scheduling": {"node_selector": {"disk": "ssd"}}}

volumes := {"volumes": [{"name": "data", "source": "emptyDir"}]}

test_one_change_passes if {
	every change in [{}, image, replicas, place, volumes] {
		update(change) == set()
	}
}

test_two_changes_fail if {
	some v in update(object.union(image, replicas))
	v.msg == "this update of pg changes its image and its replicas at once"
	v.path == ["spec"]
}

test_all_changes_are_named if {
	some v in update(object.union(object.union(image, replicas), object.union(place, volumes)))
	contains(v.msg, "its image and its replicas and its storage and where its pods run")
}

test_a_new_config_map_is_no_storage if {
	renamed := {"volumes": array.concat(array.slice(before.volumes, 0, 2), [{"name": "conf-2", "source": "configMap"}])}
	update(object.union(image, renamed)) == set()
}

test_a_volume_for_temporary_files_is_no_storage if {
	more := {"volumes": array.concat(before.volumes, [{"name": "empty-dir", "source": "emptyDir"}])}
	update(object.union(image, more)) == set()
	on_scratch := {
		"engine": {"name": "postgres", "data_dirs": [{"mount": {"volume": "empty-dir"}}]},
		"volumes": array.concat(before.volumes, [{"name": "empty-dir", "source": "emptyDir"}]),
	}
	count(update(object.union(image, on_scratch))) == 1
}

test_unknown_engine_passes if {
	after := object.union(object.union(object.remove(before, ["engine"]), image), replicas)
	policy.violation == set() with input as {"old_workload": before, "workload": after}
}
