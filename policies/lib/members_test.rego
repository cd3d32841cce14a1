package stategate.lib.members_test

import data.stategate.lib.members

container(engine, image, overrides) := object.union(
	{
		"name": "db",
		"role": "main",
		"engine": engine,
		"image": {"registry": "docker.io", "repository": image, "tag": "1.2.3"},
		"image_name": image,
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"mounts": [],
	},
	overrides,
)

document(containers, overrides) := object.union(
	{"workload": {
		"engine": {"name": containers[0].engine, "container": "db", "votes": true, "data_dirs": []},
		"annotations": {},
		"containers": containers,
	}},
	overrides,
)

alone(engine, image, overrides) if {
	members.separate with input as document([container(engine, image, overrides)], {})
}

beside(other) if {
	members.separate with input as document([container("redis", "library/redis", {}), other], {})
}

env(name, value) := {"env": [{"name": name, "value": value, "from": ""}]}

args(words) := {"args": words}

test_plain_images_stand_alone if {
	alone("postgres", "library/postgres", {})
	alone("postgres", "pgvector/pgvector", args(["-c", "max_connections=200", "-c", "wal_level=replica"]))
	alone("mysql", "library/mariadb", args(["--innodb-buffer-pool-size=1G", "--join-buffer-size=1M"]))
	alone("mongodb", "library/mongo", args(["--bind_ip_all"]))
	alone("redis", "valkey/valkey", args(["--requirepass", "$(PW)", "--masterauth", "$(PW)"]))
	alone("nats", "library/nats", args(["-js", "-sd", "/data", "--cluster_name", "hub"]))
	alone("minio", "minio/minio", args(["server", "/data{1...4}", "--console-address", ":9001"]))
	alone("minio", "bitnami/minio", env("MINIO_DISTRIBUTED_MODE_ENABLED", "no"))
	alone("minio", "minio/minio", env("MINIO_VOLUMES", "/data"))
	alone("elasticsearch", "library/elasticsearch", env("discovery.type", "single-node"))
	alone("elasticsearch", "elasticsearch/elasticsearch", env("cluster.name", "logs"))
	alone("etcd", "coreos/etcd", args(["--data-dir=/data", "--initial-cluster=default=http://localhost:2380"]))
	alone("kafka", "apache/kafka", env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@localhost:9093"))
	alone("kafka", "apache/kafka", env("KAFKA_PROCESS_ROLES", "broker,controller"))
	alone("vault", "hashicorp/vault", {})
	alone("vault", "hashicorp/vault", args(["server", "-dev"]))
	alone("vault", "hashicorp/vault", env("VAULT_LOCAL_CONFIG", `{"storage": {"file": {"path": "/vault/file"}}}`))
	alone("cockroach", "cockroachdb/cockroach", args(["start-single-node", "--insecure"]))
	alone("cassandra", "library/cassandra", env("CASSANDRA_CLUSTER_NAME", "ring"))
	alone("influxdb", "library/influxdb", {})
	alone("neo4j", "library/neo4j", env("NEO4J_AUTH", "neo4j/x"))
	alone("qdrant", "qdrant/qdrant", env("QDRANT__SERVICE__API_KEY", "x"))
	alone("qdrant", "qdrant/qdrant", env("QDRANT__CLUSTER__ENABLED", "false"))
	alone("meilisearch", "getmeili/meilisearch", {})
	alone("typesense", "typesense/typesense", args(["--data-dir", "/data", "--api-key=x"]))
	alone("weaviate", "semitechnologies/weaviate", env("CLUSTER_HOSTNAME", "node1"))
	alone("arangodb", "library/arangodb", args(["--server.endpoint=tcp://0.0.0.0:8529"]))
	alone("rethinkdb", "library/rethinkdb", args(["rethinkdb", "--bind", "all"]))
	alone("dgraph", "dgraph/dgraph", {"command": ["dgraph"], "args": ["alpha", "--my=a:7080"]})
}

known_file(engine, image, path, text, words) := container(engine, image, {
	"args": words,
	"mounts": [{"volume": "c", "source": "configMap", "mount_path": "/etc/db"}],
	"files": [{"path": path, "text": text}],
})

file_alone(one) if members.separate with input as document([one], {})

test_a_known_file_is_in_sight if {
	file_alone(known_file("redis", "library/redis", "/etc/db/redis.conf", "appendonly yes\n", ["redis-server", "/etc/db/redis.conf"]))
	every line in ["replicaof kv-0 6379", "cluster-enabled yes", "include /data/more.conf"] {
		not file_alone(known_file("redis", "library/redis", "/etc/db/redis.conf", line, ["redis-server", "/etc/db/redis.conf"]))
	}
	not file_alone(known_file("redis", "library/redis", "/etc/db/redis.conf", "", ["redis-server", "/data/redis.conf"]))
	mongo := ["--config", "/etc/db/mongod.conf"]
	file_alone(known_file("mongodb", "library/mongo", "/etc/db/mongod.conf", "storage: {dbPath: /data/db}\n", mongo))
	not file_alone(known_file("mongodb", "library/mongo", "/etc/db/mongod.conf", "replication: {replSetName: rs0}\n", mongo))
	nats := ["-c", "/etc/db/nats.conf"]
	file_alone(known_file("nats", "library/nats", "/etc/db/nats.conf", "jetstream { store_dir: /data }\n", nats))
	not file_alone(known_file("nats", "library/nats", "/etc/db/nats.conf", "cluster { port: 6222 }\n", nats))
	vault := ["server", "-config=/etc/db"]
	file_alone(known_file("vault", "hashicorp/vault", "/etc/db/vault.hcl", `storage "file" { path = "/vault/file" }`, vault))
	not file_alone(known_file("vault", "hashicorp/vault", "/etc/db/vault.hcl", `storage "raft" { path = "/vault/raft" }`, vault))
	not file_alone(known_file("vault", "hashicorp/vault", "/etc/db/vault.hcl", `ui = true`, vault))
	yml := "cluster.name: logs\ndiscovery.type: single-node\n"
	file_alone(known_file("elasticsearch", "library/elasticsearch", "/etc/db/elasticsearch.yml", yml, []))
	not file_alone(known_file("elasticsearch", "library/elasticsearch", "/etc/db/elasticsearch.yml", "cluster.name: logs\n", []))
	not file_alone(known_file("etcd", "coreos/etcd", "/etc/db/etcd.yaml", "name: a", ["--config-file=/etc/db/etcd.yaml"]))
}

test_members_that_are_named_join if {
	not alone("mongodb", "library/mongo", args(["--replSet", "rs0"]))
	not alone("mongodb", "library/mongo", args(["--replSet=rs0"]))
	not alone("mysql", "library/mysql", args(["--server-id=1", "--log-bin"]))
	not alone("redis", "library/redis", args(["--cluster-enabled", "yes"]))
	not alone("redis", "bitnami/redis", env("REDIS_REPLICATION_MODE", "slave"))
	not alone("minio", "minio/minio", args(["server", "http://files-{0...3}.files/data"]))
	not alone("minio", "minio/minio", env("MINIO_VOLUMES", "https://files-{0...3}.files/data"))
	not alone("elasticsearch", "library/elasticsearch", env("discovery.seed_hosts", "es"))
	not alone("etcd", "coreos/etcd", args(["--initial-cluster", "e-0=http://e-0.e:2380,e-1=http://e-1.e:2380"]))
	not alone("kafka", "apache/kafka", env("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@k-0.k:9093,2@k-1.k:9093"))
	not alone("kafka", "apache/kafka", env("KAFKA_PROCESS_ROLES", "broker"))
	not alone("nats", "library/nats", args(["-js", "--routes=nats://n-0.n:6222,nats://n-1.n:6222"]))
	not alone("vault", "hashicorp/vault", env("VAULT_LOCAL_CONFIG", `storage "raft" {}`))
	not alone("cassandra", "library/cassandra", env("CASSANDRA_SEEDS", "c-0.c"))
	not alone("prometheus", "prom/prometheus", {})
	not alone("neo4j", "library/neo4j", env("NEO4J_dbms_cluster_discovery_endpoints", "a:5000,b:5000"))
	not alone("qdrant", "qdrant/qdrant", env("QDRANT__CLUSTER__ENABLED", "true"))
	not alone("meilisearch", "getmeili/meilisearch", args(["--experimental-replication-parameters"]))
	not alone("typesense", "typesense/typesense", args(["--nodes=/etc/nodes"]))
	not alone("weaviate", "semitechnologies/weaviate", env("CLUSTER_JOIN", "weaviate-headless"))
	not alone("arangodb", "library/arangodb", args(["--cluster.my-role=PRIMARY"]))
	not alone("rethinkdb", "library/rethinkdb", args(["rethinkdb", "--join", "r-0.r:29015"]))
	not alone("dgraph", "dgraph/dgraph", {"command": ["dgraph"], "args": ["alpha", "--zero=z-0.z:5080"]})
}

test_value_from_elsewhere_may_join if {
	not alone("etcd", "coreos/etcd", {"env": [{"name": "ETCD_INITIAL_CLUSTER", "from": "configMapKeyRef"}]})
}

test_what_is_not_in_sight_may_join if {
	not alone("redis", "library/redis", {"env_from": true})
	not alone("redis", "team/redis", {})
	not alone("postgres", "bitnami/postgresql-repmgr", {})
	not alone("redis", "library/redis", {"command": ["sh", "-c", "exec redis-server"]})
	not alone("redis", "library/redis", args(["/start/run.sh"]))
	not alone("redis", "library/redis", {"command": ["/usr/local/bin/agent"]})
	not alone("redis", "library/redis", {"mounts": [{"volume": "c", "source": "configMap", "mount_path": "/etc/redis"}]})
	not alone("redis", "library/redis", {"mounts": [{"volume": "c", "source": "emptyDir", "mount_path": "/etc/redis"}]})
}

test_more_than_anybody_writes_is_not_read if {
	ten := split("abcdefghij", "")
	many := [concat("", [a, b, c]) | some a in ten; some b in ten; some c in ["x", "y", "z", "0"]]
	not alone("redis", "library/redis", args(many))
	not alone("redis", "library/redis", {"env": [{"name": name, "value": "", "from": ""} | some name in many]})
}

test_what_cannot_hide_settings_changes_nothing if {
	alone("redis", "library/redis", {"command": ["/usr/local/bin/redis-server"]})
	alone("redis", "library/redis", {"command": ["docker-entrypoint.sh"], "args": ["redis-server"]})
	alone("redis", "library/redis", {"mounts": [{"volume": "c", "source": "secret", "mount_path": "/tls"}]})
}

test_volume_of_the_data_is_no_configuration if {
	plain := container("redis", "library/redis", {"mounts": [{"volume": "d", "source": "emptyDir", "mount_path": "/data"}]})
	dirs := {"workload": {"engine": {"data_dirs": [{"dir": "/data", "mount": {"volume": "d"}}]}}}
	members.separate with input as document([plain], dirs)
}

test_other_containers_may_join if {
	not beside(container("", "oliver006/sidecar", {"role": "main"}))
	not beside(container("", "library/busybox", {"role": "init", "args": ["sh", "-c", "cp /config/* /etc/redis"]}))
	beside(container("", "oliver006/redis_exporter", {}))
	beside(container("", "library/busybox", {"role": "init", "args": ["sh", "-c", "chown -R 999:999 /data"]}))
}

test_owner_and_declarations_count if {
	plain := container("redis", "library/redis", {})
	not members.separate with input as document([plain], {"workload": {"owner": {"kind": "Redis"}}})
	annotated := {"workload": {"annotations": {"stategate.io/replication": "application"}}}
	not members.separate with input as document([plain], annotated)
}

test_hook_after_the_start_may_join if {
	hook := {"review": {"object": {"spec": {"template": {"spec": {"containers": [{"lifecycle": {"postStart": {}}}]}}}}}}
	not members.separate with input as document([container("redis", "library/redis", {})], hook)
}

test_vault_votes_with_raft_only if {
	configured := args(["server", "-config=/vault/config"])
	not members.votes with input as document([container("vault", "hashicorp/vault", configured)], {})
	raft := env("VAULT_LOCAL_CONFIG", `{"storage": {"raft": {}}}`)
	members.votes with input as document([container("vault", "hashicorp/vault", raft)], {})
	members.votes with input as document([container("vault", "team/vault", args(["--raft"]))], {})
}

test_brokers_with_zookeeper_do_not_vote if {
	with_zookeeper := env("KAFKA_ZOOKEEPER_CONNECT", "zk:2181")
	not members.votes with input as document([container("kafka", "apache/kafka", with_zookeeper)], {})
}

test_what_is_in_sight_joins if {
	members.joined with input as document([container("redis", "library/redis", args(["--cluster-enabled", "yes"]))], {})
	members.joined with input as document([container("redis", "bitnami/redis-cluster", env("REDIS_NODES", "a b c"))], {})
	not members.joined with input as document([container("redis", "library/redis", {})], {})
	every list in ["http://etcd-0.etcd:2380", "etcd-0=http://etcd-0.etcd:2380"] {
		not members.joined with input as document([container("etcd", "etcd", env("ETCD_INITIAL_CLUSTER", list))], {})
		words := args(["etcd", "--initial-cluster-state", "new", "--initial-cluster", list])
		not members.joined with input as document([container("etcd", "etcd", words)], {})
	}
	both := "etcd-0=http://etcd-0.etcd:2380,etcd-1=http://etcd-1.etcd:2380"
	members.joined with input as document([container("etcd", "etcd", args(["--initial-cluster", both]))], {})
	not members.joined with input as document([container("mongodb", "library/mongo", args(["--config", "/etc/mongo.conf"]))], {})
}

# Known images read no variables of Bitnami's, unless an argument passes them on.
test_variables_of_other_images_join_nobody if {
	alone("mysql", "library/mysql", env("MYSQL_REPLICATION_MODE", "master"))
	alone("mysql", "library/mysql", env("MYSQL_MASTER_HOST", "db-0.db"))
	alone("mysql", "library/mariadb", env("MARIADB_REPLICATION_MODE", "slave"))
	not alone("mysql", "library/mariadb", env("MARIADB_MASTER_HOST", "db-0.db"))
	not alone("mysql", "bitnami/mysql", env("MYSQL_REPLICATION_MODE", "master"))
	not alone("mysql", "platform/mysql", env("MYSQL_REPLICATION_MODE", "master"))
	alone("postgres", "library/postgres", env("POSTGRESQL_REPLICATION_MODE", "slave"))
	alone("mongodb", "library/mongo", env("MONGODB_REPLICA_SET_NAME", "rs0"))
	alone("redis", "registry.example.com/library/redis", env("REDIS_NODES", "a b c"))
	passed_on := object.union(env("REPLICATION_ARGS", "--x"), args(["$(REPLICATION_ARGS)"]))
	not alone("mysql", "library/mysql", passed_on)
	both := {"env": [{"name": "REPLICATION_ARGS", "value": "--x"}, {"name": "ALL", "value": "$(REPLICATION_ARGS)"}]}
	not alone("mysql", "library/mysql", both)
}

test_what_names_no_members_joins_nobody if {
	every variable in [
		{"name": "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "value": "-rabbit log_levels [{connection,error}]"},
		{"name": "RABBITMQ_ENABLED_PLUGINS", "value": "a,b"},
		{"name": "RABBITMQ_ERLANG_COOKIE", "from": "secretKeyRef"},
	] {
		not members.joined with input as document([container("rabbitmq", "library/rabbitmq", {"env": [variable]})], {})
	}
	nodes := env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-rabbit cluster_nodes {['rabbit@a','rabbit@b'],disc}")
	members.joined with input as document([container("rabbitmq", "library/rabbitmq", nodes)], {})
	roles := [{"name": "node.roles", "value": "master,data"}, {"name": "discovery.seed_hosts", "value": "e"}]
	not members.joined with input as document([container("elasticsearch", "library/elasticsearch", {"env": roles})], {})
	hosts := env("discovery.seed_hosts", "e-0,e-1")
	members.joined with input as document([container("elasticsearch", "library/elasticsearch", hosts)], {})
	members.joined with input as document([container("mongodb", "library/mongo", args(["--replSet", "rs0"]))], {})
}

test_texts_exist_for_all if {
	contains(members.set_up("milvus"), "set up the replication of milvus")
	contains(members.growth("dgraph"), "one at a time")
	contains(members.leaving("dgraph"), "as its documentation says")
	contains(members.leaving("etcd"), "etcdctl member remove")
}

test_texts_say_what_keeps_members_apart if {
	contains(members.growth("consul"), "set -bootstrap-expect to the number of servers (with 1, or -bootstrap, each new one founds")
	contains(members.set_up("elasticsearch"), "leave discovery.type=single-node out")
	contains(members.set_up("etcd"), "--listen-peer-urls=http://0.0.0.0:2380")
	contains(members.set_up("redpanda"), "--advertise-rpc-addr")
	contains(members.set_up("mysql"), "leave out the database mysql")
}

test_images_of_bitnami_add_their_members_themselves if {
	set := env("MONGODB_REPLICA_SET_NAME", "rs0")
	contains(members.growth("mongodb"), "joins by itself") with input as document([container("mongodb", "bitnamilegacy/mongodb", set)], {})
	contains(members.growth("mongodb"), "run rs.add()") with input as document([container("mongodb", "shop/mongodb", set)], {})
	primary := env("MONGODB_REPLICA_SET_MODE", "primary")
	contains(members.growth("mongodb"), "more of its secondaries") with input as document([container("mongodb", "bitnami/mongodb", primary)], {})
	contains(members.growth("etcd"), "its image runs etcdctl") with input as document([container("etcd", "bitnami/etcd", env("A", "b"))], {})
}

test_streams_have_members_as_well if {
	contains(members.growth("rabbitmq"), "rabbitmq-streams add_replica")
	contains(members.leaving("rabbitmq"), "quorum queues and streams that it alone has")
}

test_elasticsearch_before_7_is_told_of_zen if {
	every repository in ["elasticsearch/elasticsearch", "eeacms/elastic"] {
		sight := {"workload": {
			"replicas": 3,
			"engine": {"name": "elasticsearch", "container": "es", "version": "6.8", "major": 6, "release": [6, 8]},
			"containers": [{"name": "es", "image": {"repository": repository, "tag": "6.8"}}],
		}}
		not contains(members.set_up("elasticsearch"), "seed_hosts") with input as sight
		contains(members.set_up("elasticsearch"), "leave discovery.type=single-node out") with input as sight
		contains(members.growth("elasticsearch"), "discovery.zen.minimum_master_nodes to more") with input as sight
		not contains(members.leaving("elasticsearch"), "voting") with input as sight
		not contains(members.afterwards, "voting") with input as sight
	}
}

test_settings_of_zen_tell_an_old_version if {
	sight := {"workload": {
		"engine": {"name": "elasticsearch", "container": "es"},
		"containers": [{
			"name": "es",
			"role": "main",
			"engine": "elasticsearch",
			"image": {"repository": "shop/search", "tag": "a1b2"},
			"env": [{"name": "discovery.zen.ping.unicast.hosts", "value": "es"}],
		}],
	}}
	contains(members.growth("elasticsearch"), "discovery.zen.ping.unicast.hosts") with input as sight
}

test_opensearch_counts_its_own_versions if {
	sight := {"workload": {
		"engine": {"name": "elasticsearch", "container": "os", "version": "2.19.1", "major": 2, "release": [2, 19, 1]},
		"containers": [{"name": "os", "image": {"repository": "opensearchproject/opensearch", "tag": "2.19.1"}}],
	}}
	contains(members.growth("elasticsearch"), "discovery.seed_hosts") with input as sight
}
