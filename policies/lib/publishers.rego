# Whose image it is: of the publisher of a data store and of well-known packagers, the data directory is known.
package stategate.lib.publishers

import data.stategate.lib.globs

# Repositories (globs), without the registry: a mirror serves the same image.
repositories := [
	"*/library/*", "*bitnami*/*", "*/rhel*/*", "*/sclorg/*", "*/centos/*",
	"*/postgis/postgis", "*/pgvector/pgvector", "*/timescale/timescaledb*", "*/*zalando*/spilo-*", "*/acid/spilo-*",
	"*/crunchydata/*", "*/cloudnative-pg/*", "*/percona/*", "*/percona-lab/*", "*/mysql/mysql-server", "*/mongodb/*",
	"*/redis/redis*", "*/valkey/valkey", "*/eqalpha/keydb", "*/snapchat/keydb",
	"*/apache/kafka*", "*/confluentinc/cp-*", "*/strimzi/kafka", "*/redpandadata/redpanda", "*/vectorized/redpanda",
	"*/coreos/etcd", "*/etcd-development/etcd", "/etcd", "*/elasticsearch/elasticsearch*", "*/opensearchproject/*",
	"*/datastax/*", "*/k8ssandra/*", "*/scylladb/scylla*", "*/cockroachdb/cockroach", "*/clickhouse/clickhouse*",
	"*/altinity/clickhouse*", "*/yandex/clickhouse-server", "*/minio/minio", "*/hashicorp/*", "*/openbao/openbao",
	"*/influxdata/influxdb*", "*/prom/prometheus", "*/prometheus/prometheus", "*/grafana/loki", "*/grafana/tempo", "*/osixia/openldap",
]

known(image) if globs.matches_any(repositories, concat("", ["/", image.repository]))

# Makers whose tags are the versions of their data stores, beside the publishers above.
makers := [
	"*/apache/*", "*/aerospike/*", "*/arangodb/*", "*/codenotary/immudb", "*/couchbase/*", "*/crate/crate", "*/dgraph/*",
	"*/getmeili/*", "*/google?containers/etcd", "*/kubernetes/etcd", "*/mariadb/*", "*/memgraph/*", "*/milvusdb/*",
	"*/mssql/server", "*/neo4j/*", "*/qdrant/*", "*/questdb/*", "*/rabbitmq/*", "*/semitechnologies/*",
	"*/typesense/*", "*/victoriametrics/*", "*/yugabytedb/*",
]

# Whether the tag tells the version of the data store. Whoever builds an image of his own counts it as he likes.
versioned(image) if known(image)

versioned(image) if globs.matches_any(makers, concat("", ["/", image.repository]))
