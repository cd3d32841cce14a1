package stategate.storage.volume_data_dir_moved_test

import data.stategate.storage.volume_data_dir_moved as policy

mounted(volume, at, sub) := {
	"mount_path": at,
	"sub_path": sub,
	"volume": volume,
	"source": "volumeClaimTemplate",
	"read_only": false,
}

dir(path, origin, mount) := {"dir": path, "container": "db", "origin": origin, "mount": mount}

at_root := dir("/data", "default", mounted("data", "/data", ""))

workload(dirs) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"annotations": {},
	"engine": {"name": "postgres", "container": "db", "major": 16, "data_dirs": dirs},
	"containers": [{"name": "db", "path": ["spec", "db"], "image": {"repository": "library/postgres"}, "mounts": []}],
	"volumes": [
		{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
		{"name": "log", "source": "volumeClaimTemplate", "claim": "log"},
		{"name": "named", "source": "persistentVolumeClaim", "claim": "data-pg-0"},
		{"name": "other", "source": "persistentVolumeClaim", "claim": "restored"},
		{"name": "disk", "source": "hostPath", "host_path": "/mnt/disk/"},
	],
}

request(old, new) := {
	"old_workload": workload(old),
	"workload": workload(new),
	"parameters": {"other_claims": true},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

test_a_move_names_both_places if {
	some v in found(request([at_root], [dir("/data", "default", mounted("data", "/data", "pg"))]))
	contains(v.msg, "moves from claim data-pg to pg in claim data-pg:")
	contains(v.fix, "stategate.io/confirm-data-move='data-pg->data-pg/pg'")
	contains(v.fix, "Keep the path")
	v.path == ["spec", "db"]
}

test_the_same_place_passes if {
	every new in [
		at_root,
		dir("/data", "environment", mounted("data", "/data", "")),
		dir("/data", "environment", mounted("data", "/data", "./")),
		dir("/x", "argument", mounted("data", "/x", "")),
		dir("/data", "default", object.union(mounted("named", "/data", ""), {"source": "persistentVolumeClaim"})),
	] {
		found(request([at_root], [new])) == set()
	}
}

test_another_claim_fails_unless_it_is_not_judged if {
	new := dir("/data", "default", object.union(mounted("other", "/data", ""), {"source": "persistentVolumeClaim"}))
	document := request([at_root], [new])
	some v in found(document)
	contains(v.fix, "Keep the volume, or stop the store")
	found(object.union(document, {"parameters": {"other_claims": false}})) == set()
}

of_node(sub) := dir("/data", "default", object.union(mounted("disk", "/data", sub), {"source": "hostPath"}))

test_a_directory_of_the_node_may_move_too if {
	some v in found(request([of_node("")], [of_node("pg")]))
	contains(v.msg, "from hostPath /mnt/disk to hostPath /mnt/disk/pg")
}

test_what_is_not_certain_passes if {
	elsewhere := dir("/data", "default", mounted("data", "/data", "pg"))
	every uncertain in ["guess", "script"] {
		found(request([at_root], [object.union(elsewhere, {"origin": uncertain})])) == set()
		found(request([object.union(elsewhere, {"origin": uncertain})], [at_root])) == set()
	}
	of_pod := dir("/data", "default", mounted("data", "/data", "$(POD_NAME)"))
	literal := dir("/data", "default", mounted("data", "/data", "pg-0"))
	found(request([literal], [of_pod])) == set()
	found(request([of_pod], [dir("/data", "default", mounted("data", "/data", "$(POD_IP)"))])) == set()
}

expr(text) := dir("/data", "default", mounted("data", "/data", text))

test_variables_hide_no_move_that_shows_without_them if {
	every pair in [["", "$(POD)"], ["$(POD)", ""], ["a/$(POD)", "b/$(POD)"], ["$(POD)", "$(POD)/a"]] {
		count(found(request([expr(pair[0])], [expr(pair[1])]))) == 1
	}
	found(request([expr("a/$(POD)")], [expr("a/$(POD)")])) == set()
}

test_a_variable_with_a_known_value_is_that_value if {
	container := {"name": "db", "path": ["spec", "db"], "image": {"repository": "library/postgres"}, "mounts": []}
	of_value := object.union(container, {"env": [{"name": "SHARD", "value": "s1"}]})
	document := object.union(request([expr("s1")], [expr("$(SHARD)")]), {"workload": {"containers": [of_value]}})
	found(document) == set()
	other := object.union(request([expr("s2")], [expr("$(SHARD)")]), {"workload": {"containers": [of_value]}})
	count(found(other)) == 1
}

nowhere := {"dir": "/data", "container": "db", "origin": "default"}

test_what_is_on_no_volume_is_the_fault_of_another_policy if found(request([at_root], [nowhere])) == set()

# One annotation cannot confirm two steps.
test_what_was_on_no_volume_is_the_fault_of_another_policy if {
	found(request([nowhere], [at_root])) == set()
	found(request([object.union(nowhere, {"hidden_by": "/data"})], [at_root])) == set()
}

test_an_empty_dir_is_the_fault_of_another_policy if {
	scratch := dir("/data", "default", object.union(mounted("data", "/data", ""), {"source": "emptyDir"}))
	found(request([scratch], [at_root])) == set()
}

in_words := {"emptyDir": "emptyDir", "ephemeral": "ephemeral volume"}

test_a_claim_that_is_left_for_scratch_space_is_kept if {
	every source in ["emptyDir", "ephemeral"] {
		scratch := dir("/data", "default", object.union(mounted("new", "/data", ""), {"source": source}))
		every other_claims in [true, false] {
			document := object.union(request([at_root], [scratch]), {"parameters": {"other_claims": other_claims}})
			some v in found(document)
			contains(v.msg, sprintf("moves from claim data-pg to %s new: it starts with an empty database", [in_words[source]]))
			startswith(v.fix, "Keep the volume: the data stays on it")
			contains(v.fix, sprintf("stategate.io/confirm-data-move='data-pg->%s:new'", [source]))
		}
		found(request([at_root], [object.union(scratch, {"origin": "guess"})])) == set()
		found(request([at_root], [scratch, dir("/other", "default", mounted("data", "/other", ""))])) == set()
	}
}

test_the_defaults_of_an_image_are_alternatives if {
	old := [dir("/a", "default", mounted("data", "/a", "")), dir("/a/b", "default", mounted("data", "/a", ""))]
	found(request(old, [dir("/a/b", "default", mounted("data", "/a/b", ""))])) == set()
}

log(sub) := dir("/log", "also", mounted("log", "/log", sub))

test_each_directory_that_is_named_counts if {
	some v in found(request([at_root, log("")], [at_root, log("x")]))
	contains(v.msg, "from claim log-pg to x in claim log-pg:")
	found(request([at_root], [at_root, log("")])) == set()
}

test_another_version_or_vendor_has_its_own_way if {
	old := request([at_root], [dir("/data", "default", mounted("data", "/data", "pg"))])
	newer := object.union(old, {"workload": {"engine": {"major": 18}}})
	some v in found(newer)
	contains(v.fix, "save the data before the update (pg_dumpall as a superuser")
	contains(v.fix, "), and after it load the dump")
	image := {"name": "db", "path": [], "image": {"repository": "bitnami/postgresql"}}
	some w in found(object.union(old, {"workload": {"containers": [image]}}))
	contains(w.fix, "save the data before the update (pg_dumpall as a superuser")
}

test_another_engine_passes if {
	document := request([at_root], [dir("/data", "default", mounted("data", "/data", "pg"))])
	found(object.union(document, {"workload": {"engine": {"name": "mysql"}}})) == set()
}

test_confirmed_passes if {
	document := request([at_root], [dir("/data", "default", mounted("data", "/data", "pg"))])
	said := {"workload": {"annotations": {"stategate.io/confirm-data-move": "data-pg->data-pg/pg"}}}
	found(object.union(document, said)) == set()
}

test_no_version_moves_a_directory_that_is_named if {
	moved := dir("/data/pg", "argument", mounted("data", "/data", ""))
	document := object.union(request([at_root], [moved]), {"old_workload": {"engine": {"major": 15}}})
	some v in found(document)
	contains(v.fix, "Keep the path")
	by_the_image := dir("/data/pg", "default", mounted("data", "/data", ""))
	some w in found(object.union(request([at_root], [by_the_image]), {"old_workload": {"engine": {"major": 15}}}))
	contains(w.fix, "Keep the image")
}

test_the_store_that_moves_is_named if {
	of_metrics := {"workload": {"containers": [{
		"name": "db",
		"engine": "prometheus",
		"path": ["spec", "db"],
		"image": {"repository": "prom/prometheus"},
	}]}}
	document := request([at_root], [dir("/data", "default", mounted("data", "/data", "pg"))])
	some v in found(object.union(document, of_metrics))
	startswith(v.msg, "the data directory of prometheus moves")
}

of_object := {"spec": {"containers": [{
	"name": "db",
	"env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "APP", "value": "pg"}],
}]}}

named_after_the_pod(old, new) := object.union(
	request([dir("/data", "default", mounted("data", "/data", old))], [dir("/data", "default", mounted("data", "/data", new))]),
	{
		"workload": {"pods": {"spec_path": ["spec"]}},
		"review": {"object": of_object, "oldObject": of_object},
	},
)

test_a_directory_for_each_pod_is_another_one if {
	some v in found(named_after_the_pod("pg", "$(POD)"))
	contains(v.msg, "moves from pg in claim data-pg to {pod} in claim data-pg:")
	count(found(named_after_the_pod("$(POD)", "pg"))) == 1
	found(named_after_the_pod("$(POD)", "$(POD)")) == set()
	found(named_after_the_pod("pg-0", "$(POD)")) == set()
	found(named_after_the_pod("pg", "$(APP)")) == set()
}
