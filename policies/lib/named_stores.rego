# Images that are called like a data store and are not its publisher's: the name alone tells nothing, for anybody may
# call his own service vault or tempo.
package stategate.lib.named_stores

import data.stategate.lib.publishers
import data.stategate.lib.settings
import data.stategate.lib.versions

# Whether nothing but the image's name says that a container of a workload runs a data store: it has no version that the store has
# had, no port, no variable and no command of it, and no annotation says so.
only_named(workload, container) if {
	image := container.image
	not publishers.versioned(image)
	not shows(workload, container)
}

shows(workload, container) if {
	container.name == workload.engine.container
	workload.engine.path[0] == "metadata"
}

shows(workload, container) if {
	container.name == workload.engine.container
	versions.shows_version(workload)
}

shows(_, container) if {
	some port in ports[container.engine]
	port in ports_of(container)
}

shows(_, container) if {
	pattern := variables[container.engine]
	some variable in container.env
	regex.match(pattern, variable.name)
}

shows(_, container) if {
	pattern := sprintf(`(^|[\s/;&|"'(])(%s)([\s;&|"')]|$)`, [programs[container.engine]])
	text := concat(" ", array.concat(array.concat(container.command, container.args), asked(container)))
	count(text) <= settings.most
	regex.match(pattern, text)
}

shows(_, container) if {
	pattern := sprintf(`(^|\s)(%s)`, [flags[container.engine]])
	text := concat(" ", container.args)
	count(text) <= settings.most
	regex.match(pattern, text)
}

# A plain number that only these have had: anybody's own version of a service of that name would be a lower one.
shows(workload, container) if {
	container.name == workload.engine.container
	repository := container.image.repository
	last_part(repository) in {"elasticsearch", "mariadb", "mongo", "mongodb", "mysql", "postgres", "postgresql", "redis", "valkey"}
	workload.engine.major >= 5
	regex.match(`^[0-9]+(-(alpine|bookworm|bullseye|trixie|slim))*$`, container.image.tag)
}

last_part(repository) := parts[count(parts) - 1] if parts := split(repository, "/")

ports_of(container) := {one.port | some one in object.get(container, "ports", [])} | {probe.port |
	some probe in probes(container)
}

asked(container) := [word | some probe in probes(container); some word in object.get(probe, "command", [])]

probes(container) := [probe | some key in ["readiness", "liveness", "startup"]; probe := container[key]]

# What engines.yaml says, and ports that its clients do not use.
ports := {
	"aerospike": {3000},
	"arangodb": {8529},
	"cassandra": {7000, 9042},
	"clickhouse": {8123, 9000},
	"clickhouse-keeper": {9181},
	"cockroach": {26257},
	"consul": {8300, 8301, 8500},
	"couchbase": {8091},
	"couchdb": {5984},
	"cratedb": {4200},
	"dgraph": {5080, 7080, 9080},
	"elasticsearch": {9200, 9300},
	"etcd": {2379, 2380},
	"immudb": {3322},
	"influxdb": {8086, 8181},
	"kafka": {9092, 9093},
	"loki": {3100},
	"manticore": {9306},
	"meilisearch": {7700},
	"memgraph": {7687},
	"milvus": {19530},
	"minio": {9000},
	"mongodb": {27017, 27018, 27019},
	"mssql": {1433},
	"mysql": {3306},
	"nats": {4222},
	"neo4j": {7687},
	"openldap": {389, 636, 1389, 1636},
	"oracle": {1521},
	"postgres": {5432},
	"prometheus": {9090},
	"qdrant": {6333, 6334},
	"questdb": {8812, 9009},
	"rabbitmq": {5672},
	"redis": {6379},
	"redpanda": {9092},
	"rethinkdb": {28015},
	"rqlite": {4001},
	"scylla": {7000, 9042},
	"solr": {8983},
	"tdengine": {6030},
	"tempo": {3200},
	"typesense": {8108},
	"vault": {8200, 8201},
	"vespa": {19071},
	"victoria-metrics": {8428, 8482, 9428},
	"yugabyte": {5433, 9042},
	"zookeeper": {2181, 2888, 3888},
}

# Of the server; a client has others.
variables := {
	"arangodb": `^ARANGO_(ROOT_PASSWORD|RANDOM_ROOT_PASSWORD|NO_AUTH)$`,
	"cassandra": `^CASSANDRA_(CLUSTER_NAME|DC|RACK|SEEDS)$`,
	"clickhouse": `^CLICKHOUSE_(DEFAULT_ACCESS_MANAGEMENT|DB)$`,
	"couchdb": `^COUCHDB_(PASSWORD|SECRET|ERLANG_COOKIE)$`,
	"elasticsearch": concat("", [
		`^(cluster\.initial_master_nodes|discovery\.(seed_hosts|type)|node\.roles|ES_JAVA_OPTS`,
		`|OPENSEARCH_(INITIAL_ADMIN_PASSWORD|JAVA_OPTS))$`,
	]),
	"etcd": `^ETCD_(DATA_DIR|INITIAL_CLUSTER(_STATE|_TOKEN)?)$`,
	"immudb": `^IMMUDB_`,
	"influxdb": `^(DOCKER_INFLUXDB_INIT_|INFLUXD_)`,
	"kafka": `^KAFKA_(BROKER_ID|LOG_DIRS|NODE_ID|PROCESS_ROLES)$|^KAFKA_CFG_`,
	"meilisearch": `^MEILI_(DB_PATH|ENV|NO_ANALYTICS)$`,
	"mongodb": `^MONGO_INITDB_|^MONGODB_(REPLICA_SET_MODE|ROOT_PASSWORD|SHARDING_MODE)$`,
	"mssql": `^(MSSQL_PID|MSSQL_SA_PASSWORD|SA_PASSWORD)$`,
	"mysql": concat("", [
		`^(MARIADB|MYSQL)_(ALLOW_EMPTY_|ROOT_PASSWORD)|^MARIADB_GALERA_CLUSTER_NAME$`,
		`|^(MARIADB|MYSQL)_(DATABASE|PASSWORD|REPLICATION_MODE|USER)$|^MYSQL_RANDOM_ROOT_PASSWORD$`,
	]),
	"neo4j": `^NEO4J_(AUTH$|PLUGINS$|server_|dbms_)`,
	"oracle": `^ORACLE_(CHARACTERSET|PWD|RANDOM_PASSWORD)$`,
	"postgres": concat("", [
		`^(PGDATA|POSTGRES_(DB|HOST_AUTH_METHOD|INITDB_ARGS|PASSWORD|PASSWORD_FILE)`,
		`|POSTGRESQL_(DATABASE|PASSWORD|POSTGRES_PASSWORD|REPLICATION_MODE))$|^(PATRONI|SPILO)_`,
	]),
	"rabbitmq": `^RABBITMQ_(DEFAULT_PASS|DEFAULT_USER|ERLANG_COOKIE|MNESIA_BASE|NODENAME)$`,
	"redis": `^(REDIS|VALKEY)_(AOF_ENABLED|DATA_DIR|REPLICATION_MODE)$`,
	"solr": `^SOLR_(HEAP|HOME|DATA_HOME|JAVA_MEM)$`,
	"typesense": `^TYPESENSE_DATA_DIR$`,
	"vault": `^(VAULT|BAO)_LOCAL_CONFIG$`,
	"weaviate": `^PERSISTENCE_DATA_PATH$`,
	"zookeeper": `^(ZOO_(DATA_DIR|MY_ID|SERVERS|SERVER_ID)|ZOOKEEPER_SERVER_ID)$`,
}

# What it is told, where the program itself is left to the entry point.
flags := {
	"mongodb": `--(replSet|bind_ip(_all)?|wiredTiger\w+|keyFile|dbpath)`,
	"mysql": concat("", [
		`--(innodb[-_]|character[-_]set[-_]server|collation[-_]server|server[-_]id|log[-_]bin`,
		`|default[-_]authentication[-_]plugin)`,
	]),
	"postgres": `-c\s*[a-z]+_[a-z_]+\s*=`,
	"redis": `--(appendonly|cluster-enabled|masterauth|maxmemory|requirepass|save)`,
}

# What starts it, and what its probes run.
programs := {
	"aerospike": `asd`,
	"arangodb": `arangod`,
	"cassandra": `cassandra -f|nodetool|cqlsh`,
	"clickhouse": `clickhouse server|clickhouse-server|clickhouse-client`,
	"clickhouse-keeper": `clickhouse keeper|clickhouse-keeper`,
	"cockroach": `start|start-single-node`,
	"consul": `agent`,
	"couchbase": `couchbase-server`,
	"cratedb": `crate`,
	"dgraph": `alpha|zero`,
	"elasticsearch": `elasticsearch|eswrapper|opensearch`,
	"etcd": `etcd|etcdctl`,
	"influxdb": `influxd|influxdb3|serve`,
	"kafka": `kafka-server-start\S*|kafka-storage\S*|kafka_run\.sh|run`,
	"manticore": `searchd`,
	"milvus": `milvus run standalone`,
	"minio": `server`,
	"mongodb": `mongod|mongosh|mongo`,
	"mssql": `sqlservr`,
	"mysql": `mariadbd|mariadbd-safe|mysqld|mysqld_safe|mysqladmin|mariadb-admin|healthcheck\.sh`,
	"nats": `nats-server|-js|--js|-jetstream|--jetstream`,
	"neo4j": `neo4j|neo4j console`,
	"openldap": `slapd`,
	"oracle": `container-entrypoint\.sh|runOracle\.sh`,
	"postgres": `initdb|patroni|pg_ctl|postgres|stolon-keeper|pg_isready`,
	"rabbitmq": `rabbitmq-server|rabbitmq-diagnostics|rabbitmqctl`,
	"redis": `keydb-server|redis-server|valkey-server|redis-cli|valkey-cli|keydb-cli`,
	"redpanda": `rpk|start`,
	"scylla": `docker-entrypoint\.py|nodetool|cqlsh`,
	"solr": `solr start|solr-demo|solr-foreground|solr-precreate`,
	"tdengine": `taosd`,
	"typesense": `typesense-server`,
	"vault": `bao|server|vault status`,
	"victoria-metrics": `victoria-logs-prod|victoria-metrics-prod|vmstorage-prod`,
	"yugabyte": `k8s_parent\.py|yb-master|yb-tserver|yugabyted`,
	"zookeeper": `zkServer\.sh\S*|zookeeper-server-start\S*|zookeeper\.properties\S*|zookeeper_run\.sh|ruok`,
}
