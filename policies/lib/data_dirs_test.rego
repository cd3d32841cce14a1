package stategate.lib.data_dirs_test

import data.stategate.lib.data_dirs

dir(path, origin) := {"dir": path, "container": "db", "origin": origin}

mounted(path, origin, source) := object.union(dir(path, origin), {"mount": {"source": source}})

engine(dirs) := {"workload": {"kind": "StatefulSet", "engine": {"data_dirs": dirs}}}

found(dirs) := paths if {
	lost := data_dirs.unpersisted with input as engine(dirs)
	paths := {one.dir | some one in lost}
}

test_claims_and_network_volumes_persist if {
	every source in ["volumeClaimTemplate", "persistentVolumeClaim", "nfs", "csi", "hostPath"] {
		data_dirs.persisted(mounted("/data", "default", source))
	}
}

test_what_the_pod_takes_with_it_does_not if {
	every source in ["emptyDir", "ephemeral", "configMap", "secret", "projected", "downwardAPI", "image", ""] {
		not data_dirs.persisted(mounted("/data", "default", source))
	}
}

test_nothing_is_written_to_a_read_only_mount if {
	claim := mounted("/data", "default", "persistentVolumeClaim")
	not data_dirs.persisted(object.union(claim, {"mount": {"read_only": true}}))
	data_dirs.persisted(object.union(claim, {"mount": {"read_only": false}}))
}

test_no_mount_does_not if not data_dirs.persisted(dir("/data", "default"))

test_one_guess_is_enough if {
	found([dir("/a", "default"), mounted("/b", "default", "persistentVolumeClaim")]) == set()
}

test_a_guess_of_another_container_does_not_help if {
	other := object.union(mounted("/b", "default", "persistentVolumeClaim"), {"container": "other"})
	found([dir("/a", "default"), other]) == {"/a"}
}

test_no_guess_holds if found([dir("/a", "default"), mounted("/b", "default", "emptyDir")]) == {"/a", "/b"}

test_every_declared_directory_counts if {
	dirs := [mounted("/a", "environment", "emptyDir"), mounted("/b", "environment", "volumeClaimTemplate")]
	found(dirs) == {"/a"}
}

test_what_is_needed_beside_the_data_is_no_guess if {
	kept := mounted("/data", "default", "volumeClaimTemplate")
	found([kept, dir("/datalog", "also")]) == {"/datalog"}
	found([dir("/data", "default"), mounted("/datalog", "also", "volumeClaimTemplate")]) == {"/data"}
	found([kept, mounted("/datalog", "also", "volumeClaimTemplate")]) == set()
}

test_a_named_directory_is_not_kept_by_a_guess if {
	found([dir("/wal", "argument"), mounted("/data", "default", "volumeClaimTemplate")]) == {"/wal"}
}

guess_beside(mount) := paths if {
	guess := mounted("/data", "guess", "emptyDir")
	lost := data_dirs.unpersisted with input as {"workload": {
		"engine": {"data_dirs": [guess]},
		"containers": [{"name": "other", "mounts": [{"source": "nfs"}]}, {"name": "db", "mounts": [mount]}],
	}}
	paths := {one.dir | some one in lost}
}

test_what_a_script_may_use_is_uncertain if {
	found([dir("/tmp/pg", "script"), mounted("/data", "guess", "volumeClaimTemplate")]) == set()
	found([dir("/tmp/pg", "script")]) == {"/tmp/pg"}
}

test_a_guess_fails_only_if_nothing_else_would_keep_the_data if {
	guess_beside({"source": "emptyDir"}) == {"/data"}
	guess_beside({"source": "persistentVolumeClaim", "read_only": true}) == {"/data"}
	guess_beside({"source": "persistentVolumeClaim", "read_only": false}) == set()
}

test_unknown_directories_are_no_fault if found([]) == set()

with_mounts(dirs, paths) := {"workload": {
	"engine": {"data_dirs": dirs},
	"containers": [
		{"name": "db", "mounts": [{"mount_path": path} | some path in paths]},
		{"name": "other", "mounts": [{"mount_path": "/data/other"}]},
	],
}}

parts_of(dirs, paths) := found_paths if {
	parts := data_dirs.parts with input as with_mounts(dirs, paths)
	found_paths := {mount.mount_path | some mount in parts}
}

test_parts_are_below_a_persisted_directory if {
	dirs := [mounted("/data", "default", "volumeClaimTemplate")]
	parts_of(dirs, ["/data", "/data/wal", "/database"]) == {"/data/wal"}
}

test_a_place_for_copies_is_no_part if {
	dirs := [mounted("/data", "default", "volumeClaimTemplate")]
	parts_of(dirs, ["/data/backups", "/data/db-backup/", "/data/dumps", "/data/backups/wal"]) == {"/data/backups/wal"}
}

test_nothing_is_a_part_of_what_is_not_persisted if {
	parts_of([mounted("/data", "default", "emptyDir")], ["/data/wal"]) == set()
}

test_remedy_of_a_stateful_set if {
	contains(data_dirs.remedy, "spec.volumeClaimTemplates") with input.workload.kind as "StatefulSet"
}

test_remedy_of_other_kinds if {
	contains(data_dirs.remedy, "persistentVolumeClaim") with input.workload.kind as "Deployment"
}

with_image(repository, dirs) := {"workload": {
	"engine": {"data_dirs": dirs},
	"containers": [{
		"name": "db",
		"image": {"repository": repository},
		"mounts": [{"mount_path": "/state", "source": "volumeClaimTemplate"}],
	}],
}}

test_image_of_another_maker_may_write_to_its_volume if {
	found_with(with_image("platform/redis", [dir("/data", "default")])) == set()
	found_with(with_image("library/redis", [dir("/data", "default")])) == {"/data"}
	found_with(with_image("platform/redis", [dir("/data", "argument")])) == {"/data"}
}

with_an_empty_dir(repository, path) := object.union(with_image(repository, [dir("/data", "default")]), {"workload": {
	"containers": [{
		"name": "db",
		"image": {"repository": repository},
		"mounts": [{"mount_path": path, "source": "emptyDir"}],
	}],
}})

test_image_of_another_maker_may_write_to_its_empty_dir if {
	found_with(with_an_empty_dir("platform/redis", "/state")) == set()
	found_with(with_an_empty_dir("library/redis", "/state")) == {"/data"}
	found_with(with_an_empty_dir("platform/redis", "/var/log/redis")) == {"/data"}
	on_it := {"workload": {"engine": {"data_dirs": [mounted("/data", "default", "emptyDir")]}}}
	found_with(object.union(with_an_empty_dir("platform/redis", "/data"), on_it)) == {"/data"}
}

found_with(document) := paths if {
	lost := data_dirs.unpersisted with input as document
	paths := {one.dir | some one in lost}
}

test_a_volume_is_told_once if {
	mounts := {{"volume": "data", "mount_path": "/a"}, {"volume": "data", "mount_path": "/b"}, {"volume": "log", "mount_path": "/c"}}
	{mount.mount_path | some mount in mounts; data_dirs.tells(mount, mounts)} == {"/a", "/c"}
}

replica(containers) := {"workload": {"engine": {"name": "redis"}, "containers": containers}}

# Sentinel makes a replica the primary, which then holds the only data.
test_a_replica_that_may_be_elected_is_no_copy if {
	env := [{"name": "REDIS_REPLICATION_MODE", "value": "slave"}]
	redis := {"name": "redis", "image": {"repository": "bitnami/redis"}, "env": env, "command": [], "args": []}
	sentinel := object.union(redis, {"name": "watch", "env": [], "args": ["redis-sentinel"]})
	told := object.union(redis, {"env": array.concat(env, [{"name": "REDIS_SENTINEL_HOST"}])})
	own := {"container": "redis"}
	data_dirs.copied(own) with input as replica([redis])
	not data_dirs.copied(own) with input as replica([redis, sentinel])
	not data_dirs.copied(own) with input as replica([told])
}

of_claim := {
	"volume": "data",
	"source": "volumeClaimTemplate",
	"mount_path": "/data/db",
	"sub_path": "",
	"read_only": false,
}

view_of(dirs, mounts) := {
	"engine": {"name": "mongodb", "data_dirs": dirs},
	"containers": [{"name": "db", "mounts": mounts}],
	"volumes": [{"name": "own", "source": "persistentVolumeClaim", "claim": "shop-db"}],
}

kept_by(old, new, mounts) := text if {
	document := {"old_workload": view_of([old], [old.mount]), "workload": view_of([new], mounts)}
	text := data_dirs.keep(new) with input as document
}

default_dir(path) := {"dir": path, "container": "db", "origin": "default"}

on_claim(path, mount) := object.union(default_dir(path), {"mount": mount})

test_a_directory_is_kept_where_it_was if {
	raised := object.union(of_claim, {"mount_path": "/data"})
	old := on_claim("/data/db", of_claim)
	text := "Mount the claim template data at /data/db again: the data is in it"
	kept_by(old, object.union(default_dir("/data/db"), {"mount": raised, "hidden_by": "/data/db"}), [raised]) == text
	kept_by(old, default_dir("/data/db"), []) == text
	part := object.union(of_claim, {"source": "persistentVolumeClaim", "volume": "own", "sub_path": "x"})
	named := kept_by(on_claim("/data/db", part), default_dir("/data/db"), [])
	named == "Mount claim shop-db at /data/db with subPath: x again: the data is in it"
}

test_another_setting_or_image_leaves_the_volume if {
	old := on_claim("/data/db", of_claim)
	elsewhere := object.union(default_dir("/srv"), {"origin": "argument"})
	startswith(kept_by(old, elsewhere, [of_claim]), "Keep the data directory at /data/db: the data is there, on volume data")
	startswith(kept_by(old, default_dir("/srv"), [of_claim]), "Keep the image: the data is at /data/db, where the new one")
}

of_major(view, major) := object.union(view, {"engine": {"major": major}})

migrated(old, new) := text if {
	text := data_dirs.keep(new) with input as {
		"old_workload": of_major(view_of([old], [old.mount]), 17),
		"workload": of_major(view_of([new], [old.mount]), 18),
	}
}

# image-major-upgrade-guard tells how the data are migrated.
test_another_generation_finds_the_migrated_data if {
	at := "/var/lib/postgresql/data"
	postgres := migrated(on_claim(at, object.union(of_claim, {"mount_path": at})), default_dir("/var/lib/postgresql/18/docker"))
	startswith(postgres, "Keep the image until the data is migrated: it is at /var/lib/postgresql/data, and the new one looks at")
	endswith(postgres, "With the new image, mount volume data at /var/lib/postgresql instead of /var/lib/postgresql/data")
	endswith(migrated(on_claim("/a", of_claim), default_dir("/b")), "With the new image, mount a volume with the migrated data there")
}

test_what_was_in_the_pod_is_not_left if {
	scratch := object.union(of_claim, {"source": "emptyDir"})
	not kept_by(on_claim("/data/db", scratch), default_dir("/data/db"), [])
}

running(name, origin) := paths if {
	container := {"name": "db", "engine": name, "mounts": []}
	document := object.union(engine([mounted("/data", origin, "emptyDir")]), {"workload": {"containers": [container]}})
	lost := data_dirs.unpersisted with input as document
	paths := {one.dir | some one in lost}
}

test_a_file_out_of_sight_may_name_another_system if {
	every name in ["loki", "tempo", "milvus", "vault", "aerospike"] {
		running(name, "guess") == set()
		running(name, "default") == {"/data"}
		running(name, "argument") == {"/data"}
	}
	running("postgres", "guess") == {"/data"}
}

test_rabbitmq_needs_a_host_name_that_stays if {
	mq := {"name": "mq", "image": {"repository": "library/rabbitmq"}, "command": [], "args": [], "env": [], "env_from": false, "mounts": []}
	document := {
		"workload": {"kind": "Deployment", "engine": {"name": "rabbitmq", "container": "mq"}, "pods": {"spec_path": ["spec"]}, "containers": [mq]},
		"review": {"object": {"spec": {}}},
	}
	startswith(data_dirs.remedy, "a claim of a StatefulSet (or a persistentVolumeClaim, with hostname: rabbitmq") with input as document
}

cache_names := ["cache", "*-cache"]

called(name, args, mounts) := {
	"name": name,
	"engine": {"name": "redis"},
	"containers": [{"name": "redis", "engine": "redis", "command": [], "args": args, "mounts": mounts}],
}

test_a_redis_may_be_called_a_cache if {
	scratch := {"source": "emptyDir"}
	lasting := {"source": "persistentVolumeClaim", "mount_path": "/keys"}
	data_dirs.called_a_cache(called("redis-cache", ["--maxmemory", "1gb"], [scratch]), cache_names)
	not data_dirs.called_a_cache(called("redis-cache", [], []), [])
	not data_dirs.called_a_cache(called("redis", [], []), cache_names)
	not data_dirs.called_a_cache(called("redis-cache", ["--appendonly", "yes"], []), cache_names)
	not data_dirs.called_a_cache(called("redis-cache", [], [lasting]), cache_names)
	postgres := {"engine": {"name": "postgres"}}
	not data_dirs.called_a_cache(object.union(called("pg-cache", [], []), postgres), cache_names)
	queue := {"containers": [{"name": "queue", "engine": "rabbitmq", "command": [], "args": [], "mounts": []}]}
	not data_dirs.called_a_cache(object.union(called("app-cache", [], []), queue), cache_names)
}

with_settings(overrides) := object.union(workload, {"containers": containers}) if {
	workload := called("redis-cache", [], [])
	containers := [object.union(container, overrides) | some container in workload.containers]
}

conf(text) := {"files": [{"path": "/etc/redis/redis.conf", "text": text}]}

test_a_redis_that_keeps_a_log_is_no_cache if {
	every told in [
		conf("maxmemory 1gb\nappendonly yes\n"),
		{"env": [{"name": "REDIS_AOF_ENABLED", "value": "yes"}]},
		{"env": [{"name": "VALKEY_AOF_ENABLED", "from": "configMapKeyRef"}]},
		{"env": [{"name": "REDIS_ARGS", "value": "--appendonly yes"}]},
		{"env": [{"name": "REDIS_ARGS", "from": "secretKeyRef"}]},
		{"env_from": true},
	] {
		workload := with_settings(told)
		not data_dirs.called_a_cache(workload, cache_names)
	}
	every told in [
		conf("# not: appendonly yes\nappendonly no\n"),
		{"env": [{"name": "REDIS_AOF_ENABLED", "value": "no"}, {"name": "REDIS_PASSWORD", "from": "secretKeyRef"}]},
		{"env": [{"name": "REDIS_ARGS", "value": "--maxmemory 1gb"}], "env_from": false},
	] {
		workload := with_settings(told)
		data_dirs.called_a_cache(workload, cache_names)
	}
}
