package stategate.lifecycle.settings_fixed_at_first_start_test

import data.stategate.lifecycle.settings_fixed_at_first_start as policy

view(engine, command, env) := {
	"kind": "StatefulSet",
	"engine": {"name": engine, "container": "db"},
	"containers": [{
		"name": "db",
		"role": "main",
		"engine": engine,
		"image": {"repository": "library/mongo"},
		"command": command,
		"args": [],
		"env_from": false,
		"env": [{"name": name, "value": value, "path": ["env", name]} | some name, value in env],
		"mounts": [],
		"path": ["spec", "containers", 0],
	}],
}

found(old, new) := violations if violations := policy.violation with input as {"old_workload": old, "workload": new}

mysql(args) := view("mysql", array.concat(["mysqld"], args), {})

test_lower_case_table_names if {
	some v in found(mysql([]), mysql(["--lower_case_table_names=1"]))
	v.msg == concat("", [
		"lower_case_table_names of container db changes from \"0\" to \"1\": ",
		"MySQL does not start with it, and MariaDB does not find its tables",
	])
	v.path == ["spec", "containers", 0, "command", 1]
	startswith(v.fix, "Keep \"0\" of lower_case_table_names")
	count(found(mysql(["--lower-case-table-names=1"]), mysql([]))) == 1
	found(mysql([]), mysql(["--lower-case-table-names=0"])) == set()
}

test_spellings_of_one_value if {
	found(mysql(["--innodb-page-size=16k"]), mysql(["--innodb-page-size=16384"])) == set()
	count(found(mysql([]), mysql(["--innodb-page-size=32k"]))) == 1
	found(view("mongodb", ["mongod", "--directoryperdb"], {}), view("mongodb", ["mongod", "--directoryperdb", "true"], {})) == set()
	count(found(view("mongodb", ["mongod"], {}), view("mongodb", ["mongod", "--directoryperdb"], {}))) == 1
}

test_what_has_no_default_is_compared_if_both_say_it if {
	count(found(view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "a"}), view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "b"}))) == 1
	found(view("cassandra", [], {}), view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "b"})) == set()
	count(found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--replSet", "rs1"], {}))) == 1
	found(view("mongodb", ["mongod"], {}), view("mongodb", ["mongod", "--replSet", "rs1"], {})) == set()
}

test_a_variable_may_be_the_same if {
	found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--replSet", "$(SET)"], {})) == set()
}

test_a_file_may_say_it if {
	old := mysql(["--lower-case-table-names=1"])
	mounts := [{"source": "configMap"}]
	new := object.union(mysql([]), {"containers": [object.union(mysql([]).containers[0], {"mounts": mounts})]})
	found(old, new) == set()
	from := object.union(mysql([]), {"containers": [object.union(mysql([]).containers[0], {"env_from": true})]})
	found(old, from) == set()
}

test_a_secret_may_say_it if {
	old := view("rabbitmq", [], {"RABBITMQ_USE_LONGNAME": "true"})
	container := object.union(old.containers[0], {"env": [{"name": "RABBITMQ_USE_LONGNAME", "from": "configMapKeyRef"}]})
	found(old, object.union(old, {"containers": [container]})) == set()
	count(found(old, view("rabbitmq", [], {}))) == 1
}

redis(args) := object.union(view("redis", array.concat(["redis-server"], args), {}), {"containers": [object.union(
	view("redis", array.concat(["redis-server"], args), {}).containers[0],
	{"image": {"repository": "library/redis"}},
)]})

test_redis_reads_its_file_under_one_name if {
	some v in found(redis([]), redis(["--dbfilename", "shop.rdb"]))
	contains(v.msg, "dbfilename of container db changes from \"dump.rdb\" to \"shop.rdb\": it does not read the file")
	log := ["--appendonly", "yes"]
	count(found(redis(log), redis(array.concat(log, ["--appendfilename", "x.aof"])))) == 1
	count(found(redis(log), redis(array.concat(log, ["--appenddirname", "x"])))) == 1
	found(redis(log), redis(array.concat(log, ["--dbfilename", "shop.rdb"]))) == set()
	found(redis([]), redis(["--appenddirname", "x"])) == set()
}

rabbit(env) := object.union(view("rabbitmq", [], env), {
	"name": "mq",
	"containers": [object.union(view("rabbitmq", [], env).containers[0], {"image": {"repository": "library/rabbitmq"}})],
})

test_the_host_names_the_node_of_rabbitmq if {
	some v in found(rabbit({}), rabbit({"RABBITMQ_NODENAME": "rabbit@localhost"}))
	contains(v.msg, "changes from \"rabbit@mq-0\" to \"rabbit@localhost\"")
	count(found(rabbit({"RABBITMQ_NODENAME": "rabbit@localhost"}), rabbit({}))) == 1
	found(rabbit({}), rabbit({"RABBITMQ_NODENAME": "rabbit@mq-0"})) == set()
	found(rabbit({}), rabbit({"RABBITMQ_NODENAME": "rabbit@$(POD)"})) == set()
	found(object.union(rabbit({}), {"kind": "Deployment"}), rabbit({"RABBITMQ_NODENAME": "rabbit@mq-0"})) == set()
}

test_a_node_keeps_its_id_and_its_data_center if {
	count(found(view("kafka", [], {"KAFKA_NODE_ID": "1"}), view("kafka", [], {"KAFKA_NODE_ID": "2"}))) == 1
	snitch := {"CASSANDRA_ENDPOINT_SNITCH": "GossipingPropertyFileSnitch"}
	of_file := [view("cassandra", [], object.union(snitch, {"CASSANDRA_DC": dc})) | some dc in ["a", "b"]]
	count(found(of_file[0], of_file[1])) == 1
	found(view("cassandra", [], {"CASSANDRA_DC": "a"}), view("cassandra", [], {"CASSANDRA_DC": "b"})) == set()
}

minio(args) := view("minio", array.concat(["minio", "server"], args), {})

test_a_pool_of_minio_keeps_its_size if {
	some v in found(minio(["http://m-{0...3}.m/data"]), minio(["http://m-{0...7}.m/data"]))
	contains(v.msg, "the pool http://m-{0...3}.m/data of container db becomes http://m-{0...7}.m/data")
	found(minio(["http://m-{0...3}.m/data"]), minio(["http://m-{0...3}.m/data", "http://m-{4...7}.m/data"])) == set()
	found(minio(["/data"]), minio(["/data"])) == set()
	env := [view("minio", ["minio", "server"], {"MINIO_VOLUMES": volumes}) | some volumes in ["/d{1...4}", "/d{1...8}"]]
	count(found(env[0], env[1])) == 1
}

test_a_member_keeps_its_set if {
	some v in found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--auth"], {}))
	contains(v.msg, "loses --replSet rs0")
	found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--config", "/m.conf"], {})) == set()
	count(found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", [], {}))) == 1
	count(found(view("mongodb", ["--replSet", "rs0"], {}), view("mongodb", ["--auth"], {}))) == 1
}

with_file(text) := object.union(mysql([]), {"containers": [object.union(mysql([]).containers[0], {
	"mounts": [{"source": "configMap", "mount_path": "/etc/mysql/conf.d", "path": []}],
	"files": [{"path": "/etc/mysql/conf.d/my.cnf", "text": text}],
})]})

test_a_file_that_is_known_says_it if {
	plain := with_file("[mysqld]\nmax_connections=10\n")
	some v in found(plain, with_file("[mysqld]\nlower-case-table-names = 1\n"))
	contains(v.msg, "changes from \"0\" to \"1\"")
	found(plain, with_file("[mysqld]\n# lower_case_table_names=1\n")) == set()
	count(found(with_file("lower_case_table_names=1\n"), plain)) == 1
}

test_data_that_goes_with_the_pod_meets_no_setting if {
	scratch := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}
	in_pod := object.union(mysql([]), scratch)
	found(in_pod, object.union(mysql(["--lower_case_table_names=1"]), scratch)) == set()
}

# Whether it still has its set is not shown there.
test_what_starts_mongod_otherwise_may_keep_its_set if {
	before := view("mongodb", ["mongod", "--replSet", "rs0"], {})
	every command in [["/scripts/start"], ["python3", "/scripts/start.py"], ["tini", "--", "/start"]] {
		found(before, view("mongodb", command, {})) == set()
	}
	own := object.union(view("mongodb", [], {}).containers[0], {"image": {"repository": "shop/mongo-with-replset"}})
	found(before, object.union(view("mongodb", [], {}), {"containers": [own]})) == set()
	bitnami := object.union(view("mongodb", [], {"MONGODB_REPLICA_SET_NAME": "rs0"}).containers[0], {"image": {"repository": "bitnami/mongodb"}})
	found(before, object.union(view("mongodb", [], {}), {"containers": [bitnami]})) == set()
	count(found(before, view("mongodb", [], {"MONGODB_REPLICA_SET_NAME": "rs0"}))) == 1
}

kafka(env) := view("kafka", [], env)

connect(value) := kafka({"KAFKA_ZOOKEEPER_CONNECT": value})

test_kafka_finds_its_cluster_below_a_chroot if {
	some v in found(connect("zk:2181"), connect("zk:2181/kafka"))
	startswith(v.msg, "the chroot in KAFKA_ZOOKEEPER_CONNECT of container db changes from \"/\" to \"/kafka\": below it")
	endswith(v.fix, "another chroot is for another cluster, with volumes of its own")
	found(connect("zk:2181/kafka"), connect("zk-0.zk:2181,zk-1.zk:2181/kafka/")) == set()
	found(connect("zk:2181"), connect("$(ZOOKEEPER)")) == set()
	cfg := [kafka({"KAFKA_CFG_ZOOKEEPER_CONNECT": value}) | some value in ["zk", "zk/kafka"]]
	count(found(cfg[0], cfg[1])) == 1
}

test_kafka_leaves_zookeeper_by_a_migration_only if {
	kraft := kafka({"KAFKA_PROCESS_ROLES": "broker"})
	some v in found(connect("zk:2181"), kraft)
	startswith(v.msg, "container db looks for its metadata in KRaft (KAFKA_PROCESS_ROLES) instead of ZooKeeper")
	startswith(v.fix, "Keep KAFKA_ZOOKEEPER_CONNECT; only Kafka's own migration")
	some w in found(kraft, connect("zk:2181"))
	w.fix == "Keep KAFKA_PROCESS_ROLES; there is no way back once a migration is finished"
	migrating := {"KAFKA_ZOOKEEPER_CONNECT": "zk:2181", "KAFKA_ZOOKEEPER_METADATA_MIGRATION_ENABLE": "true"}
	found(kafka(migrating), kraft) == set()
	found(kraft, kafka(migrating)) == set()
	found(connect("zk:2181"), kafka(migrating)) == set()
	unseen := object.union(connect("zk:2181"), {"containers": [object.union(connect("zk:2181").containers[0], {"env_from": true})]})
	found(unseen, kraft) == set()
}

vault(repository, env, texts) := object.union(view("vault", [], env), {"containers": [object.union(view("vault", [], env).containers[0], {
	"image": {"repository": repository},
	"mounts": [{"source": "configMap", "mount_path": "/vault/config", "path": ["mounts", 0]}],
	"files": [{"path": sprintf("/vault/config/%d.hcl", [i]), "text": text} | some i, text in texts],
})]})

local(text) := vault("hashicorp/vault", {"VAULT_LOCAL_CONFIG": text}, [])

test_vault_keeps_its_kind_of_storage if {
	some v in found(local(`{"storage": {"file": {"path": "/vault/data"}}}`), local(`{"storage":{"raft":{"path":"/vault/data"}}}`))
	startswith(v.msg, "the storage of container db changes from \"file\" to \"raft\": unless all was copied there first")
	contains(v.fix, "copy all with vault operator migrate to an empty place")
	v.path == ["env", "VAULT_LOCAL_CONFIG"]
	file := vault("openbao/openbao", {}, ["# storage \"raft\" {}\nui = true\nstorage \"file\" {\n  path = \"/vault/data\"\n}\n"])
	raft := vault("openbao/openbao", {}, ["storage \"raft\" {\n}\nha_storage \"consul\" {\n}\n"])
	some w in found(file, raft)
	contains(w.fix, "bao operator migrate")
	w.path == ["mounts", 0]
	found(file, file) == set()
}

test_what_is_not_known_of_vault_passes if {
	file := local(`storage "file" {}`)
	found(file, local(`ui = true`)) == set()
	found(file, vault("hashicorp/vault", {}, ["storage \"raft\" {}", "storage \"file\" {}"])) == set()
	found(local(`storage "inmem" {}`), file) == set()
}

couch(env, args, files) := object.union(view("couchdb", [], env), {"containers": [object.union(view("couchdb", [], env).containers[0], {
	"image": {"repository": "library/couchdb"},
	"args": args,
	"mounts": [{"source": "configMap", "mount_path": "/opt/couchdb/etc/local.d", "path": []}],
	"files": [{"path": path, "text": ""} | some path in files],
})]})

test_couchdb_keeps_the_name_of_its_node if {
	ini := ["/opt/couchdb/etc/local.d/a.ini"]
	named := couch({"NODENAME": "couch-0.couch"}, [], ini)
	some v in found(couch({}, [], ini), named)
	startswith(v.msg, "the name of the node (NODENAME) of container db changes from \"nonode@nohost\" to \"couchdb@couch-0.couch\": the shards")
	startswith(v.fix, "Leave out NODENAME; to rename it, replicate each database")
	some w in found(named, couch({}, [], ini))
	startswith(w.fix, "Keep NODENAME as it was;")
	found(couch({}, [], []), named) == set()
	found(couch({}, ["-name", "couchdb@a"], ini), named) == set()
	found(couch({"ERL_FLAGS": "-name couchdb@a"}, [], ini), named) == set()
	found(couch({}, [], array.concat(ini, ["/opt/couchdb/etc/local.d/vm.args"])), named) == set()
	bitnami := [view("couchdb", [], {"COUCHDB_NODENAME": name}) | some name in ["couchdb@a", "couchdb@b"]]
	count(found(bitnami[0], bitnami[1])) == 1
}

test_solr_finds_its_collections_below_a_chroot if {
	some v in found(view("solr", [], {"ZK_HOST": "zk:2181/solr"}), view("solr", [], {"ZK_HOST": "zk:2181"}))
	startswith(v.fix, "Keep the chroot \"/solr\" in ZK_HOST; another chroot")
	found(view("solr", [], {"ZK_HOST": "zk:2181/solr"}), view("solr", [], {"ZK_HOST": "zk-0.zk:2181/solr"})) == set()
}

test_weaviate_may_be_told_to_recover if {
	old := view("weaviate", [], {"CLUSTER_HOSTNAME": "node1"})
	count(found(old, view("weaviate", [], {"CLUSTER_HOSTNAME": "node2"}))) == 1
	found(old, view("weaviate", [], {"CLUSTER_HOSTNAME": "node2", "RAFT_ENABLE_ONE_NODE_RECOVERY": "true"})) == set()
}

influx(command) := object.union(view("influxdb", command, {}), {"containers": [object.union(
	view("influxdb", command, {}).containers[0],
	{"image_name": "influxdb:3-core"},
)]})

test_influxdb_finds_its_files_below_its_node if {
	old := influx(["influxdb3", "serve", "--node-id=a"])
	some v in found(old, influx(["influxdb3", "serve", "--node-id=b"]))
	contains(v.msg, "its files lie below the old one, and it starts without them")
	cluster := [influx(["influxdb3", "serve", "--cluster-id=c", sprintf("--node-id=%s", [id])]) | some id in ["a", "b"]]
	found(cluster[0], cluster[1]) == set()
}

consul(args, env) := object.union(view("consul", array.concat(["agent", "-server"], args), env), {"replicas": 3})

test_servers_of_consul_stay_in_their_data_center if {
	some v in found(consul([], {}), consul(["-datacenter=eu"], {}))
	startswith(v.msg, "-datacenter of container db changes from \"dc1\" to \"eu\"")
	found(consul(["-datacenter=DC1"], {}), consul([], {})) == set()
	found(consul([], {"CONSUL_LOCAL_CONFIG": "{}"}), consul(["-datacenter=eu"], {})) == set()
	found(consul(["-config-file=/c.hcl"], {}), consul(["-datacenter=eu"], {})) == set()
	found(object.union(consul([], {}), {"replicas": 1}), consul(["-datacenter=eu"], {})) == set()
}
