package stategate.storage.volume_data_dir_persisted_test

import data.stategate.storage.volume_data_dir_persisted as policy

container := ["spec", "template", "spec", "containers", 1]

on(path, origin, source) := {"dir": path, "container": "db", "origin": origin, "mount": {"source": source, "mount_path": path}}

nowhere(path, origin) := {"dir": path, "container": "db", "origin": origin}

request(kind, dirs) := {"workload": {
	"kind": kind,
	"engine": {"name": "postgres", "container": "db", "data_dirs": dirs},
	"containers": [
		{"name": "exporter", "mounts": [], "path": ["spec", "template", "spec", "containers", 0]},
		{"name": "db", "mounts": [{"mount_path": "/elsewhere"}], "path": container},
	],
}}

found(document) := violations if violations := policy.violation with input as document

test_claim_passes if {
	every source in ["volumeClaimTemplate", "persistentVolumeClaim", "nfs", "csi"] {
		found(request("StatefulSet", [on("/var/lib/postgresql/data", "default", source)])) == set()
	}
}

test_no_mount_fails if {
	some v in found(request("StatefulSet", [nowhere("/var/lib/postgresql/18/docker", "default")]))
	contains(v.msg, "container db keeps its data in /var/lib/postgresql/18/docker")
	v.path == container
	v.details.mounts == ["/elsewhere"]
	contains(v.fix, "spec.volumeClaimTemplates")
}

test_bitnami_s_volume_is_above_the_directory if {
	some v in found(request("StatefulSet", [nowhere("/bitnami/postgresql/data", "default")]))
	contains(v.fix, " that holds /bitnami/postgresql; ")
}

beneath(mounts) := {"workload": {
	"kind": "StatefulSet",
	"name": "pg",
	"engine": {"name": "postgres", "container": "db", "data_dirs": [{
		"dir": "/srv/pg/data",
		"container": "db",
		"origin": "default",
		"hidden_by": "/srv/pg/data",
	}]},
	"containers": [{"name": "db", "image": {"repository": "library/postgres"}, "mounts": mounts, "path": container}],
}}

test_each_store_of_a_pod_is_saved_by_its_own_tools if {
	document := {"workload": {
		"kind": "Pod",
		"name": "fat",
		"engine": {"name": "redis", "container": "cache", "data_dirs": [
			{"dir": "/data", "container": "cache", "origin": "default"},
			{"dir": "/var/lib/rabbitmq/mnesia", "container": "queue", "origin": "default"},
		]},
		"containers": [
			{"name": "cache", "engine": "redis", "image": {"repository": "library/redis"}, "mounts": [], "path": ["a"]},
			{"name": "queue", "engine": "rabbitmq", "image": {"repository": "library/rabbitmq"}, "mounts": [], "path": ["b"]},
		],
	}}
	fixes := {v.path[0]: v.fix | some v in found(document)}
	contains(fixes.a, "(redis-cli --rdb")
	contains(fixes.a, "if it is only a cache")
	contains(fixes.b, "(rabbitmqctl -q export_definitions")
	not contains(fixes.b, "cache")
}

test_hidden_by_a_volume_of_the_image_is_told_where_to_mount if {
	of_a_claim := {"mount_path": "/srv/pg", "volume": "v", "source": "persistentVolumeClaim", "read_only": false}
	outer := object.union(of_a_claim, {"mount_path": "/srv", "volume": "w"})
	some v in found(beneath([of_a_claim, outer]))
	contains(v.msg, "the image's own VOLUME hides what is mounted above it")
	contains(v.fix, "Mount volume v at /srv/pg/data with subPath: data")
	some below in found(beneath([object.union(outer, {"sub_path": "x"})]))
	contains(below.fix, "Mount volume w at /srv/pg/data with subPath: x/pg/data")
	some own in found(beneath([object.union(outer, {"sub_path": "$(POD)"})]))
	contains(own.fix, "with subPathExpr: $(POD)/pg/data")
	some fleeting in found(beneath([object.union(of_a_claim, {"source": "emptyDir"})]))
	contains(fleeting.fix, "--cascade=orphan) at /srv/pg/data with subPath: data: above it")
}

also(engine, dirs) := object.union(request("StatefulSet", dirs), {"workload": {"engine": {"name": engine}}})

test_what_is_beside_the_tables_is_told_as_such if {
	log := nowhere("/var/lib/cassandra/commitlog", "also")
	some v in found(also("cassandra", [on("/var/lib/cassandra/data", "default", "persistentVolumeClaim"), log]))
	contains(v.msg, "keeps its last writes in /var/lib/cassandra/commitlog, where no volume holds them: a crash loses")
	startswith(v.fix, "Leave the volume that is there, and mount a second claim at /var/lib/cassandra/commitlog.")
	some all in found(also("cassandra", [nowhere("/var/lib/cassandra/data", "default"), log]))
	contains(all.msg, "keeps its data in /var/lib/cassandra/commitlog and /var/lib/cassandra/data")
	some ldap in found(also("openldap", [nowhere("/etc/ldap/slapd.d", "also")]))
	contains(ldap.msg, "keeps its configuration in /etc/ldap/slapd.d, where no volume holds it: without it")
	startswith(ldap.fix, "If it runs, copy /etc/ldap/slapd.d out first (kubectl cp), and into a new claim before it is mounted")
	some zk in found(also("zookeeper", [nowhere("/datalog", "also")]))
	contains(zk.msg, "keeps its data in /datalog")
}

test_other_kinds_are_told_their_own_fix if {
	some v in found(request("Deployment", [nowhere("/data", "default")]))
	contains(v.fix, "Mount a persistentVolumeClaim")
}

test_config_map_and_secret_keep_no_data if {
	every source in ["configMap", "secret", "projected"] {
		count(found(request("Pod", [on("/data", "default", source)]))) == 1
	}
}

test_empty_dir_is_the_fault_of_another_policy if {
	found(request("StatefulSet", [on("/data", "default", "emptyDir")])) == set()
}

test_guess_on_empty_dir_is_the_fault_of_another_policy if {
	dirs := [nowhere("/var/lib/kafka", "default"), on("/tmp/kraft-combined-logs", "default", "emptyDir")]
	found(request("StatefulSet", dirs)) == set()
}

test_one_of_several_guesses_is_enough if {
	dirs := [nowhere("/etcd-data", "default"), on("/var/lib/etcd", "default", "volumeClaimTemplate")]
	found(request("StatefulSet", dirs)) == set()
}

test_several_guesses_are_one_fault if {
	violations := found(request("StatefulSet", [nowhere("/data", "default"), nowhere("/export", "default")]))
	count(violations) == 1
	some v in violations
	contains(v.msg, "/data or /export")
}

test_every_declared_directory_counts if {
	dirs := [nowhere("/disk1", "environment"), on("/disk2", "environment", "volumeClaimTemplate")]
	some v in found(request("StatefulSet", dirs))
	contains(v.msg, "in /disk1,")
}

test_declared_directories_are_named_all if {
	some v in found(request("StatefulSet", [nowhere("/disk1", "environment"), nowhere("/disk2", "environment")]))
	contains(v.msg, "in /disk1 and /disk2,")
}

test_what_is_needed_beside_the_data_is_named_beside_the_guesses if {
	dirs := [nowhere("/data", "default"), nowhere("/export", "default"), nowhere("/log", "also")]
	some v in found(request("StatefulSet", dirs))
	contains(v.msg, "in /data or /export and /log,")
}

test_what_is_needed_beside_kept_data_fails_alone if {
	dirs := [on("/data", "default", "volumeClaimTemplate"), nowhere("/datalog", "also")]
	some v in found(request("StatefulSet", dirs))
	endswith(v.msg, "in /datalog, where no volume holds it: a restart loses all of it")
}

test_data_on_scratch_does_not_hide_what_is_needed_beside_it if {
	some v in found(request("StatefulSet", [on("/data", "default", "emptyDir"), nowhere("/datalog", "also")]))
	contains(v.msg, "in /datalog,")
}

test_read_only_volume_keeps_nothing if {
	every source in ["volumeClaimTemplate", "emptyDir", "hostPath"] {
		dir := object.union(on("/data", "default", source), {"mount": {"read_only": true}})
		some v in found(request("StatefulSet", [dir]))
		endswith(v.msg, "in /data, where every volume is mounted read-only: nothing that it writes is kept")
	}
}

test_what_a_script_may_use_is_reported_by_another_policy if {
	found(request("StatefulSet", [nowhere("/tmp/pg", "script")])) == set()
}

test_a_guess_says_nothing if found(request("StatefulSet", [on("/data", "guess", "configMap")])) == set()

test_declared_directories_are_judged_each_by_its_own_policy if {
	dirs := [nowhere("/disk1", "environment"), on("/disk2", "environment", "emptyDir")]
	some v in found(request("StatefulSet", dirs))
	contains(v.msg, "in /disk1,")
}

test_host_path_is_the_fault_of_another_policy if {
	found(request("StatefulSet", [on("/data", "default", "hostPath")])) == set()
}

test_claim_that_goes_with_its_pod_is_the_fault_of_another_policy if {
	found(request("StatefulSet", [on("/data", "default", "ephemeral")])) == set()
}

test_only_what_may_be_a_cache_is_told_how_to_say_so if {
	redis := object.union(request("StatefulSet", [nowhere("/data", "default")]), {"workload": {"engine": {"name": "redis"}}})
	some v in found(redis)
	endswith(v.fix, "stategate.io/data-durability: cache")
	some other in found(request("StatefulSet", [nowhere("/data", "default")]))
	not contains(other.fix, "cache")
}

test_unknown_directory_passes if found(request("StatefulSet", [])) == set()

test_no_engine_passes if found({"workload": {"kind": "StatefulSet", "containers": []}}) == set()

with_volume(engine, env, origin) := {"workload": {
	"kind": "StatefulSet",
	"engine": {"name": engine, "container": "db", "data_dirs": [nowhere("/tmp/data", origin)]},
	"containers": [{
		"name": "db",
		"path": container,
		"env": env,
		"mounts": [{"mount_path": "/pgdata", "source": "volumeClaimTemplate", "read_only": false}],
	}],
}}

test_a_misspelt_variable_is_named if {
	some v in found(with_volume("postgres", [{"name": "PG_DATA", "value": "/pgdata/16"}], "default"))
	endswith(v.fix, "Name the variable PGDATA, not PG_DATA: the image does not read PG_DATA")
	startswith(v.fix, "If it runs, save its data first (")
	some w in found(with_volume("postgres", [{"name": "PG_DATA", "value": "/else"}], "default"))
	contains(w.fix, "Mount an entry")
}

test_kafka_is_led_to_its_volume if {
	some v in found(with_volume("kafka", [], "default"))
	contains(v.fix, "Set KAFKA_LOG_DIRS: /pgdata/logs, so that Kafka writes to the volume")
	some w in found(with_volume("kafka", [], "environment"))
	contains(w.fix, "Mount an entry")
}

test_an_update_begins_with_a_dump if {
	document := with_volume("kafka", [], "environment")
	some v in found(object.union(document, {"review": {"operation": "UPDATE"}}))
	startswith(v.fix, "Save the data first (MirrorMaker")
}

test_variables_of_kafka_are_those_of_its_image if {
	document := with_volume("kafka", [{"name": "KAFKA_NODE_ID", "value": "1"}], "default")
	some v in found(document)
	endswith(v.fix, "Set KAFKA_LOG_DIRS: /pgdata/logs, so that Kafka writes to the volume")
	alone := with_volume("kafka", [], "default")
	some w in found(alone)
	endswith(w.fix, "; it then takes its whole configuration from KAFKA_ variables")
	container_of_bitnami := object.union(alone.workload.containers[0], {"image": {"repository": "bitnami/kafka"}})
	own := object.union(alone, {"workload": {"containers": [container_of_bitnami]}})
	some x in found(own)
	contains(x.fix, "Set KAFKA_CFG_LOG_DIRS: /pgdata/logs")
}

test_a_replica_of_redis_copies_its_data_anew if {
	whole := object.union(request("StatefulSet", [nowhere("/data", "default")]), {"workload": {"engine": {"name": "redis"}}})
	every mode, number in {"replica": 0, "master": 1} {
		env := [{"name": "VALKEY_REPLICATION_MODE", "value": mode}]
		replica := {"name": "db", "image": {"repository": "bitnami/valkey"}, "mounts": [], "env": env, "path": container}
		own := object.union(replica, {"command": [], "args": []})
		count(found(object.union(whole, {"workload": {"containers": [own]}}))) == number

		# A server that is started without the image's script does not read the variable.
		bare := object.union(replica, {"command": ["valkey-server"], "args": []})
		count(found(object.union(whole, {"workload": {"containers": [bare]}}))) == 1
	}
}

test_what_was_on_a_volume_is_there_still if {
	new := request("StatefulSet", [nowhere("/data", "default")])
	old := request("StatefulSet", [on("/data", "default", "volumeClaimTemplate")]).workload
	with_name := {"dir": "/data", "mount": {"volume": "data"}}
	dirs := [object.union(dir, with_name) | some dir in old.engine.data_dirs]
	before := object.union(old, {"engine": {"data_dirs": dirs}})
	some v in found(object.union(new, {"old_workload": before, "review": {"operation": "UPDATE"}}))
	contains(v.msg, "no volume holds it: it starts empty there, and a restart loses what it writes")
	v.fix == "Mount the claim template data at /data again: the data is in it"
}

test_postgres_18_refuses_the_old_mount if {
	mounts := {"mounts": [{"mount_path": "/var/lib/postgresql/data"}]}
	document := request("StatefulSet", [nowhere("/var/lib/postgresql/18/docker", "default")])
	containers := [object.union(one, mounts) | some one in document.workload.containers]
	some v in found(object.union(document, {"workload": {"containers": containers}}))
	contains(v.msg, "no volume holds it: with a volume at /var/lib/postgresql/data, the image refuses to start, or starts empty")
}

test_a_volume_at_the_old_directory_moves_up if {
	document := request("StatefulSet", [nowhere("/var/lib/postgresql/18/docker", "default")])
	mounts := [{"volume": "data", "mount_path": "/var/lib/postgresql/data", "source": "volumeClaimTemplate", "read_only": false}]
	db := object.union(document.workload.containers[1], {"mounts": mounts})
	some v in found(object.union(document, {"workload": {"containers": [document.workload.containers[0], db]}}))
	startswith(v.fix, "Mount volume data at /var/lib/postgresql instead: of 18 and later, the data is below it.")
}

of_image(repository, dirs, mounts) := {"workload": {
	"kind": "StatefulSet",
	"engine": {"name": "zookeeper", "container": "db", "data_dirs": dirs},
	"containers": [{
		"name": "db",
		"engine": "zookeeper",
		"image": {"repository": repository},
		"command": [],
		"args": [],
		"env": [],
		"ports": [{"port": 2181}],
		"mounts": mounts,
		"path": container,
	}],
}}

test_a_name_alone_is_told_of_elsewhere if {
	document := of_image("engapa/zookeeper", [nowhere("/data", "default")], [])
	count(found(document)) == 1
	bare := [object.union(one, {"ports": []}) | some one in document.workload.containers]
	found(object.union(document, {"workload": {"containers": bare}})) == set()
}

test_image_of_another_maker_may_use_another_directory if {
	dirs := [nowhere("/data", "default"), nowhere("/datalog", "also")]
	some v in found(of_image("engapa/zookeeper", dirs, [{"source": "configMap", "mount_path": "/conf"}]))
	v.msg == concat("", [
		"no volume holds the data of container db: a restart loses all of it ",
		"(the known images of zookeeper keep it in /data and /datalog)",
	])
	contains(v.fix, "--cascade=orphan) where its image writes (/data and /datalog, unless it was built for another directory)")
	every repository in ["library/zookeeper", "rabbitmq/zookeeper"] {
		some w in found(of_image(repository, dirs, []))
		startswith(w.msg, "container db keeps its data in /data and /datalog, where no volume holds it")
	}
	some named in found(of_image("engapa/zookeeper", [nowhere("/d", "argument")], []))
	startswith(named.msg, "container db keeps its data in /d, where")
	some beside in found(of_image("engapa/zookeeper", [nowhere("/d", "environment")], [{"source": "hostPath", "mount_path": "/x"}]))
	startswith(beside.msg, "container db keeps its data in /d, where")
}

test_redis_that_is_called_a_cache_passes if {
	cache := {
		"workload": {
			"kind": "Deployment",
			"name": "redis-cache",
			"engine": {"name": "redis", "container": "db", "data_dirs": [nowhere("/data", "default")]},
			"containers": [{
				"name": "db",
				"engine": "redis",
				"command": [],
				"args": [],
				"image": {"repository": "library/redis"},
				"mounts": [],
				"path": container,
			}],
		},
		"parameters": {"cache_names": ["*-cache"]},
	}
	found(cache) == set()
	count(found(object.union(cache, {"parameters": {"cache_names": []}}))) == 1
}

test_redis_that_drops_any_key_passes if {
	redis := {"workload": {
		"kind": "Deployment",
		"name": "redis",
		"engine": {"name": "redis", "container": "db", "evicts": true, "data_dirs": [nowhere("/data", "default")]},
		"containers": [{
			"name": "db",
			"engine": "redis",
			"image": {"repository": "library/redis"},
			"command": [],
			"args": ["--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"],
			"env": [],
			"env_from": false,
			"mounts": [],
			"path": container,
		}],
	}}
	parameters := {"parameters": {"cache_names": []}}
	found(object.union(redis, parameters)) == set()
	logged := [object.union(one, {"args": ["--appendonly", "yes"]}) | some one in redis.workload.containers]
	count(found(object.union_n([redis, parameters, {"workload": {"containers": logged}}]))) == 1
	saved := [object.union(one, {"args": ["--save", "60 1"]}) | some one in redis.workload.containers]
	count(found(object.union_n([redis, parameters, {"workload": {"containers": saved}}]))) == 1
	in_file := [object.union(one, {"files": [{"path": "/etc/redis.conf", "text": "# x\nsave 60 1\n"}]}) | some one in redis.workload.containers]
	count(found(object.union_n([redis, parameters, {"workload": {"containers": in_file}}]))) == 1
}

test_redis_without_a_volume_is_told_of_elsewhere if {
	redis := {"workload": {
		"kind": "Deployment",
		"name": "redis",
		"engine": {"name": "redis", "container": "db", "data_dirs": [nowhere("/data", "default")]},
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
	}}
	spared := {"parameters": {"often_caches": ["redis"]}}
	count(found(redis)) == 1
	found(object.union(redis, spared)) == set()
	logged := [object.union(one, {"args": ["--appendonly", "yes"]}) | some one in redis.workload.containers]
	count(found(object.union(object.union(redis, spared), {"workload": {"containers": logged}}))) == 1
	kept := {"old_workload": object.union(redis.workload, {"engine": {"data_dirs": [on("/data", "default", "persistentVolumeClaim")]}})}
	count(found(object.union(object.union(redis, spared), kept))) == 1
}

test_link_of_cassandra_s_image_is_not_certain if {
	mounts := [{"mount_path": "/opt/cassandra/data", "source": "volumeClaimTemplate"}]
	ring := {"workload": {
		"engine": {"name": "cassandra", "data_dirs": [nowhere("/var/lib/cassandra/data", "default")]},
		"containers": [{"name": "db", "engine": "cassandra", "mounts": mounts, "path": container}],
	}}
	found(object.union(request("StatefulSet", []), ring)) == set()
}
