package stategate.storage.volume_data_dir_known_test

import data.stategate.storage.volume_data_dir_known as policy

container := ["spec", "template", "spec", "containers", 0]

request(dirs, mounts) := {"workload": {
	"kind": "StatefulSet",
	"name": "pg",
	"engine": {"name": "postgres", "container": "db", "data_dirs": dirs},
	"containers": [{"name": "db", "mounts": mounts, "path": container}],
}}

dir(path, origin) := {"dir": path, "container": "db", "origin": origin}

on(path, source) := object.union(dir(path, "script"), {"mount": {"source": source, "mount_path": path}})

claim := {"source": "volumeClaimTemplate", "mount_path": "/data"}

found(document) := violations if violations := policy.violation with input as document

test_a_directory_without_a_volume_fails if {
	some v in found(request([dir("/tmp/pg", "script")], [claim]))
	contains(v.msg, "container db may keep its data in /tmp/pg")
	v.path == container
	contains(v.fix, "If it is /tmp/pg, save it first")
}

test_several_directories_are_one_fault if {
	some v in found(request([dir("/a", "script"), dir("/b", "script")], []))
	contains(v.msg, "in /a or /b,")
}

test_scratch_space_beside_a_claim_fails if {
	count(found(request([on("/scratch", "emptyDir")], [claim]))) == 1
}

test_scratch_space_alone_is_the_fault_of_another_policy if {
	found(request([on("/scratch", "emptyDir")], [])) == set()
}

test_a_directory_on_a_claim_passes if found(request([on("/data", "volumeClaimTemplate")], [claim])) == set()

test_what_is_certain_or_guessed_passes if {
	every origin in ["argument", "environment", "default", "guess", "annotation"] {
		found(request([dir("/tmp/pg", origin)], [])) == set()
	}
}

test_no_engine_passes if found({"workload": {"containers": []}}) == set()

of_image(repository, dirs) := object.union(request(dirs, []), {"workload": {"containers": [{
	"name": "db",
	"engine": "postgres",
	"image_name": repository,
	"image": {"repository": repository},
	"mounts": [{"source": "volumeClaimTemplate", "mount_path": "/srv/state"}],
	"path": container,
}]}})

test_image_of_another_maker_with_a_volume_elsewhere_fails if {
	some v in found(of_image("platform/postgres", [dir("/var/lib/postgresql/data", "default")]))
	contains(v.msg, "has a volume at /srv/state, while images of postgres mostly keep their data in /var/lib/postgresql/data")
	contains(v.fix, "save the data before you mount")
}

test_image_of_the_publisher_is_the_fault_of_another_policy if {
	found(of_image("library/postgres", [dir("/var/lib/postgresql/data", "default")])) == set()
}

test_image_of_another_maker_with_an_empty_dir_elsewhere_fails if {
	dirs := [dir("/data", "default"), dir("/var/lib/redis", "default")]
	document := object.union(of_image("platform/postgres", dirs), {"workload": {"containers": [{
		"name": "db",
		"image": {"repository": "platform/postgres"},
		"mounts": [{"source": "emptyDir", "mount_path": "/state"}, {"source": "emptyDir", "mount_path": "/tmp"}],
		"path": container,
	}]}})
	some v in found(document)
	contains(v.msg, "container db has only an emptyDir or the like at /state:")
	contains(v.fix, "save it first (")
	count(found(document)) == 1
	found(object.union(document, {"workload": {"containers": [{"name": "db", "image": {"repository": "library/postgres"}}]}})) == set()
}

test_one_directory_on_a_volume_is_enough if {
	kept := object.union(dir("/data", "default"), {"mount": {"source": "volumeClaimTemplate", "mount_path": "/data"}})
	found(of_image("platform/postgres", [dir("/export", "default"), kept])) == set()
}

test_what_is_beside_the_data_is_asked_for_by_itself if {
	kept := object.union(dir("/data", "default"), {"mount": {"source": "volumeClaimTemplate", "mount_path": "/data"}})
	some v in found(of_image("platform/zookeeper", [kept, dir("/datalog", "also")]))
	contains(v.msg, "mostly also write to /datalog: look where this one does")
	some neither in found(of_image("platform/zookeeper", [dir("/data", "default"), dir("/datalog", "also")]))
	contains(neither.msg, "mostly keep their data in /data or /datalog")
}

test_redis_without_a_volume_is_told_of_where_it_is_not_refused if {
	redis := {
		"workload": {
			"kind": "Deployment",
			"name": "redis",
			"engine": {"name": "redis", "container": "db", "data_dirs": [dir("/data", "default")]},
			"containers": [{
				"name": "db",
				"role": "main",
				"engine": "redis",
				"image": {"registry": "docker.io", "repository": "library/redis", "tag": "7.2.5"},
				"command": [],
				"args": [],
				"env": [],
				"env_from": false,
				"mounts": [],
				"path": container,
			}],
		},
		"parameters": {"often_caches": ["redis"]},
	}
	some v in found(redis)
	v.msg == "container db has no volume for /data: unless it is a cache, a restart loses its data"
	startswith(v.fix, "If it is a cache, annotate stategate.io/data-durability: cache. If not, save its data first (redis-cli")
	found(object.union(redis, {"parameters": {"often_caches": []}})) == set()
	found(object.union(redis, {"workload": {"name": "web-cache"}})) == set()
}

own_vault := {"parameters": {"often_caches": []}, "workload": {
	"kind": "Deployment",
	"name": "vault",
	"engine": {"name": "vault", "container": "db", "data_dirs": [dir("/vault/data", "default")]},
	"containers": [{
		"name": "db",
		"role": "main",
		"engine": "vault",
		"image_name": "unkey/vault:dev",
		"image": {"registry": "docker.io", "repository": "unkey/vault", "tag": "dev"},
		"command": [],
		"args": ["--config", "/etc/unkey.toml"],
		"env": [],
		"env_from": false,
		"ports": [{"port": 8060}],
		"mounts": [{"source": "configMap", "mount_path": "/etc/unkey"}],
		"path": container,
	}],
}}

test_a_name_alone_is_told_of if {
	some v in found(own_vault)
	startswith(v.msg, "image unkey/vault:dev is called like vault, and container db has no volume")
	contains(v.fix, "If it is vault or keeps other data, save it first; then mount a persistentVolumeClaim")
	serving := [object.union(one, {"args": ["server"]}) | some one in own_vault.workload.containers]
	found(object.union(own_vault, {"workload": {"containers": serving}})) == set()
}
