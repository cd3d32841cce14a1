package stategate.storage.volume_no_emptydir_data_test

import data.stategate.storage.volume_no_emptydir_data as policy

mount(volume, source, path) := {
	"container": "db",
	"volume": volume,
	"source": source,
	"mount_path": path,
	"read_only": false,
	"path": ["spec", "template", "spec", "containers", 0, "volumeMounts", 0],
}

on(path, origin, held_by) := {"dir": path, "container": "db", "origin": origin, "mount": held_by}

request(kind, dirs, mounts) := {
	"workload": {
		"kind": kind,
		"engine": {"name": "postgres", "container": "db", "data_dirs": dirs},
		"containers": [
			{"name": "exporter", "mounts": [mount("scratch", "emptyDir", "/data/exporter")]},
			{"name": "db", "mounts": mounts},
		],
		"volumes": [{"name": name, "path": ["spec", "template", "spec", "volumes", index]} |
			some index, name in ["data", "scratch", "shm"]
		],
	},
	"parameters": {"scratch_path_globs": ["/tmp*", "/run*", "/dev/shm*", "*/tmp"]},
}

found(document) := violations if violations := policy.violation with input as document

empty := mount("data", "emptyDir", "/var/lib/postgresql/data")

kept := mount("data", "volumeClaimTemplate", "/data")

test_claim_passes if found(request("StatefulSet", [on("/data", "default", kept)], [kept])) == set()

test_empty_dir_fails if {
	some v in found(request("StatefulSet", [on("/var/lib/postgresql/data", "default", empty)], [empty]))
	contains(v.msg, "container db at /var/lib/postgresql/data is in the emptyDir data")
	v.path == ["spec", "template", "spec", "volumes", 0]
	contains(v.fix, "spec.volumeClaimTemplates")
}

test_deployment_is_told_its_own_fix if {
	some v in found(request("Deployment", [on("/var/lib/postgresql/data", "default", empty)], [empty]))
	contains(v.fix, "replace emptyDir data by a persistentVolumeClaim")
}

test_directory_below_the_empty_dir_fails if {
	above := mount("data", "emptyDir", "/var/lib")
	count(found(request("Pod", [on("/var/lib/mysql", "default", above)], [above]))) == 1
}

test_shared_memory_passes if {
	shm := mount("shm", "emptyDir", "/dev/shm")
	found(request("StatefulSet", [on("/data", "default", kept)], [kept, shm])) == set()
}

test_no_volume_is_the_fault_of_another_policy if {
	found(request("StatefulSet", [{"dir": "/data", "container": "db", "origin": "default"}], [])) == set()
}

test_one_of_several_guesses_is_enough if {
	other := mount("scratch", "emptyDir", "/tmp")
	dirs := [on("/data", "default", kept), on("/tmp/kraft", "default", other)]
	found(request("StatefulSet", dirs, [kept, other])) == set()
}

test_two_guesses_on_one_volume_are_one_fault if {
	above := mount("data", "emptyDir", "/var/lib/kafka")
	dirs := [on("/var/lib/kafka", "default", above), on("/var/lib/kafka/data", "default", above)]
	count(found(request("StatefulSet", dirs, [above]))) == 1
}

test_every_declared_directory_counts if {
	other := mount("scratch", "emptyDir", "/disk2")
	dirs := [on("/data", "environment", kept), on("/disk2", "environment", other)]
	count(found(request("StatefulSet", dirs, [kept, other]))) == 1
}

test_declared_directory_on_scratch_fails if {
	tmp := mount("scratch", "emptyDir", "/tmp")
	count(found(request("StatefulSet", [on("/tmp/pg", "environment", tmp)], [tmp]))) == 1
}

test_part_of_the_data_fails if {
	wal := mount("scratch", "emptyDir", "/data/pg_wal")
	some v in found(request("StatefulSet", [on("/data", "default", kept)], [kept, wal]))
	contains(v.msg, "/data/pg_wal")
	v.path == ["spec", "template", "spec", "volumes", 1]
}

test_scratch_below_the_data_passes if {
	tmp := mount("scratch", "emptyDir", "/data/tmp")
	found(request("StatefulSet", [on("/data", "default", kept)], [kept, tmp])) == set()
}

test_directory_beside_the_data_passes if {
	beside := mount("scratch", "emptyDir", "/database")
	found(request("StatefulSet", [on("/data", "default", kept)], [kept, beside])) == set()
}

test_unknown_directory_passes if found(request("StatefulSet", [], [empty])) == set()

test_no_engine_passes if found({"workload": {"kind": "StatefulSet", "containers": [], "volumes": []}}) == set()

test_a_replica_of_redis_copies_its_data_anew if {
	held := mount("data", "emptyDir", "/data")
	whole := object.union(request("StatefulSet", [on("/data", "default", held)], [held]), {"workload": {"engine": {"name": "redis"}}})
	every mode, number in {"replica": 0, "slave": 0, "master": 1} {
		env := [{"name": "REDIS_REPLICATION_MODE", "value": mode}]
		replica := {"name": "db", "image": {"repository": "bitnami/redis"}, "mounts": [held], "env": env, "command": ["bash"]}
		of_chart := object.union(replica, {"args": ["-c", "/opt/bitnami/scripts/start-scripts/start-replica.sh"]})
		count(found(object.union(whole, {"workload": {"containers": [of_chart]}}))) == number
		bare := object.union(replica, {"command": [], "args": ["redis-server", "--appendonly", "yes"]})
		count(found(object.union(whole, {"workload": {"containers": [bare]}}))) == 1
	}
}

test_what_was_on_a_claim_is_there_still if {
	document := request("StatefulSet", [on("/data", "default", mount("data", "emptyDir", "/data"))], [])
	old := request("StatefulSet", [on("/data", "default", kept)], [kept]).workload
	some v in found(object.union(document, {"old_workload": old}))
	startswith(v.fix, "Mount the claim template data at /data again: the data is in it; or, if it is only a cache")
}

test_redis_that_is_called_a_cache_passes if {
	on_scratch := mount("data", "emptyDir", "/data")
	cache := {
		"workload": {
			"kind": "Deployment",
			"name": "redis-cache",
			"engine": {"name": "redis", "container": "db", "data_dirs": [on("/data", "default", on_scratch)]},
			"containers": [{"name": "db", "engine": "redis", "command": [], "args": [], "mounts": [on_scratch]}],
			"volumes": [{"name": "data", "path": ["v", 0]}],
		},
		"parameters": {"scratch_path_globs": [], "cache_names": ["*-cache"]},
	}
	found(cache) == set()
	count(found(object.union(cache, {"parameters": {"cache_names": []}}))) == 1
}
