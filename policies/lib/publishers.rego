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

# The segments of the repository before its name.
owners_of(image) := array.slice(parts, 0, count(parts) - 1) if parts := split(image.repository, "/")

# The last two segments of the repository, or the only one.
named(image) := concat("/", array.slice(parts, count(parts) - 2, count(parts))) if parts := split(image.repository, "/")
