# Whose image it is: of the publisher of a data store and of well-known packagers, the data directory is known. The
# registry does not count, nor what comes before the name: a mirror serves the same image.
package stategate.lib.publishers

# Whoever publishes data stores, whatever they are called.
owners := {
	"centos", "cloudnative-pg", "crunchydata", "datastax", "hashicorp", "k8ssandra", "library", "mongodb",
	"opensearchproject", "percona", "percona-lab", "sclorg",
}

images := {
	"cockroachdb/cockroach", "coreos/etcd", "database/express", "database/free",
	"eqalpha/keydb", "etcd", "etcd-development/etcd", "grafana/loki", "grafana/tempo", "gvenzl/oracle-free",
	"gvenzl/oracle-xe", "linuxserver/mariadb", "minio/minio", "mysql/mysql-server", "openbao/openbao", "osixia/openldap",
	"pgvector/pgvector", "postgis/postgis", "prom/prometheus", "prometheus/prometheus", "redpandadata/redpanda",
	"snapchat/keydb", "strimzi/kafka", "valkey/valkey", "vectorized/redpanda", "yandex/clickhouse-server",
}

# Globs, of names that vary.
patterns := [
	"*bitnami*/*", "*/rhel*/*", "*/*zalando*/spilo-*", "*/acid/spilo-*", "*/altinity/clickhouse*", "*/apache/kafka*",
	"*/clickhouse/clickhouse*", "*/confluentinc/cp-*", "*/elasticsearch/elasticsearch*", "*/influxdata/influxdb*",
	"*/redis/redis*", "*/scylladb/scylla*", "*/timescale/timescaledb*",
]

known(image) if {
	some owner in owners_of(image)
	owner in owners
}

known(image) if named(image) in images

known(image) if {
	name := concat("", ["/", image.repository])
	some pattern in patterns
	glob.match(pattern, null, name)
}

# Makers whose tags are the versions of their data stores, beside the publishers above.
maker_owners := {
	"aerospike", "apache", "arangodb", "couchbase", "dgraph", "getmeili", "mariadb", "memgraph", "milvusdb", "neo4j",
	"qdrant", "questdb", "rabbitmq", "semitechnologies", "typesense", "victoriametrics", "yugabytedb",
}

maker_images := {
	"codenotary/immudb", "crate/crate", "google-containers/etcd", "google-containers/etcd-amd64",
	"google_containers/etcd", "google_containers/etcd-amd64", "kubernetes/etcd", "manticoresearch/manticore",
	"mssql/server", "rqlite/rqlite", "tdengine/tdengine", "vespaengine/vespa",
}

# Whether the tag tells the version of the data store. Whoever builds an image of his own counts it as he likes.
versioned(image) if known(image)

versioned(image) if {
	some owner in owners_of(image)
	owner in maker_owners
}

versioned(image) if named(image) in maker_images

# Whether an image knows nothing of a variable that joins replicas. The images of Bitnami and of operators do; the
# official ones, and those that are built on them, read none of them, except what MariaDB's has for a primary.
passes_over(image, name) if {
	repository := image.repository
	regex.match(official_stores, repository)
	replicates(name)
}

passes_over(image, name) if {
	regex.match(`(^|/)library/mariadb$`, image.repository)
	replicates(name)
	not regex.match(`^MARIADB_(MASTER_(HOST|PORT)|REPLICATION_(USER|PASSWORD|PASSWORD_HASH))(_FILE)?$`, name)
}

official_stores := concat("", [
	`(^|/)(library/(mongo|mysql|postgres|redis)|mysql/mysql-server|pgvector/pgvector|postgis/postgis`,
	`|timescale/timescaledb|valkey/valkey)$`,
])

replicates(name) if regex.match(of_replication, name)

of_replication := concat("", [
	`(?i)replica|replset|cluster|galera|wsrep|(master|primary)_(host|port)|sentinel|nodes|sharding`,
	`|^(repmgr|patroni|pgha)_|^mysql_group`,
])

# The segments of the repository before its name.
owners_of(image) := array.slice(parts, 0, count(parts) - 1) if parts := split(image.repository, "/")

# The last two segments of the repository, or the only one.
named(image) := concat("/", array.slice(parts, count(parts) - 2, count(parts))) if parts := split(image.repository, "/")
