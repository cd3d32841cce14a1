package stategate.lifecycle.image_version_downgrade_test

import data.stategate.lifecycle.image_version_downgrade as policy

workload(name, release, annotations) := {
	"kind": "StatefulSet",
	"name": "db",
	"namespace": "shop",
	"annotations": annotations,
	"containers": [{"name": "db", "image": {"repository": sprintf("library/%s", [name])}}],
	"engine": {
		"name": name,
		"container": "db",
		"major": release[0],
		"release": release,
		"version": concat(".", [sprintf("%d", [number]) | some number in release]),
		"path": ["spec", "template", "spec", "containers", 0, "image"],
	},
}

request(old, new) := {
	"old_workload": old,
	"workload": new,
	"parameters": {
		"significant_numbers": {"postgres": 1, "elasticsearch": 3},
		"patches_count_below": {"mysql": "8.0.35"},
	},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

step(name, old, new) := found(request(workload(name, old, {}), workload(name, new, {})))

test_upgrade_passes if {
	step("postgres", [16, 4], [17, 2]) == set()
	step("mongodb", [7, 0, 14], [8, 0, 4]) == set()
}

test_major_downgrade_fails if {
	some v in step("postgres", [16, 4], [15, 8])
	v.msg == concat("", [
		"postgres goes 16.4->15.8: the older version may not read what the newer one has written, ",
		"and nobody has confirmed it",
	])
	v.path == ["spec", "template", "spec", "containers", 0, "image"]
	startswith(v.fix, "Keep it; to go back, load a backup from before the upgrade into a new volume")
	contains(v.fix, "kubectl annotate statefulset db -n shop --overwrite stategate.io/confirm-version-change='16.4->15.8'")
}

test_minor_downgrade_fails if {
	count(step("kafka", [3, 8, 0], [3, 7, 1])) == 1
	count(step("etcd", [3, 5, 17], [3, 4, 34])) == 1
}

# PostgreSQL's second number is a patch.
test_patch_downgrade_passes if {
	step("postgres", [16, 4], [16, 3]) == set()
	step("mongodb", [7, 0, 14], [7, 0, 12]) == set()
}

test_mysql_goes_back_by_patches_that_its_makers_support if {
	step("mysql", [8, 0, 42], [8, 0, 36]) == set()
	step("mysql", [8, 0, 36], [8, 0, 35]) == set()
	step("mysql", [5, 7, 44], [5, 7, 40]) == set()
	step("mysql", [8, 4, 5], [8, 4, 3]) == set()
	count(step("mysql", [8, 0, 42], [8, 0, 34])) == 1
	count(step("mysql", [8, 0, 30], [8, 0, 28])) == 1
}

test_elasticsearch_goes_back_not_even_by_a_patch if {
	count(step("elasticsearch", [8, 15, 2], [8, 15, 1])) == 1
}

test_numbers_are_compared_as_numbers if step("redis", [7, 4], [7, 10]) == set()

test_shorter_tag_is_no_downgrade if step("mongodb", [7, 0], [7]) == set()

test_same_version_passes if step("mongodb", [7, 0, 14], [7, 0, 14]) == set()

confirmed(text) := {"stategate.io/confirm-version-change": text}

test_confirmed_passes if {
	found(request(workload("kafka", [3, 8], {}), workload("kafka", [3, 7], confirmed("3.8->3.7")))) == set()
}

test_confirmation_of_another_step_does_not_count if {
	some v in found(request(workload("kafka", [3, 8], {}), workload("kafka", [3, 6], confirmed("3.8->3.7"))))
	contains(v.msg, "the confirmation says 3.8->3.7")
}

# The confirmation is read from the new object: one on the old object was for the previous step, or is being removed.
test_confirmation_on_the_old_object_does_not_count if {
	count(found(request(workload("kafka", [3, 8], confirmed("3.8->3.7")), workload("kafka", [3, 7], {})))) == 1
}

test_untold_version_passes if {
	untold := json.remove(workload("postgres", [16, 4], {}), ["engine/major", "engine/release", "engine/version"])
	found(request(workload("postgres", [16, 4], {}), untold)) == set()
	found(request(untold, workload("postgres", [15, 8], {}))) == set()
}

test_other_software_passes if {
	found(request(workload("mysql", [8, 4], {}), workload("postgres", [7, 2], {}))) == set()
}

pg(major) := object.union(workload("postgres", [2, 17, 2], {}), {"engine": {"major": major}})

# timescale/timescaledb:2.17.2-pg16 becomes 2.17.2-pg15.
test_major_in_a_later_part_of_the_tag if {
	some v in found(request(pg(16), pg(15)))
	contains(v.msg, "goes 16->15")
}

test_data_that_goes_meets_no_older_version if {
	in_the_pod := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}
	old := workload("postgres", [16, 1], {})
	new := workload("postgres", [15, 1], {})
	before := policy.violation with input as request(old, new)
	count(before) == 1
	after := policy.violation with input as request(object.union(old, in_the_pod), new)
	after == set()
}

of_timescale(version, major) := object.union(workload("postgres", [major], {}), {
	"containers": [{
		"name": "db",
		"image": {"repository": "timescale/timescaledb", "tag": sprintf("%s-pg%d", [version, major])},
	}],
	"engine": {"version": version},
})

test_an_extension_of_timescaledb_keeps_its_library if {
	some v in found(request(of_timescale("2.17.0", 16), of_timescale("2.14.2", 16)))
	contains(v.msg, "timescaledb goes 2.17.0->2.14.2: a database whose extension was made or updated with 2.17.0")
	contains(v.fix, "says 2.14.2 or older in every database: kubectl")
	found(request(of_timescale("2.9.3", 15), of_timescale("2.14.2", 15))) == set()
	count(found(request(of_timescale("2.17.0", 16), of_timescale("2.11.2", 15)))) == 1
	found(request(of_timescale("2.17.0", 15), of_timescale("2.11.2", 16))) == set()
	found(request(of_timescale("2.17", 16), of_timescale("2.11.2", 16))) == set()
}
