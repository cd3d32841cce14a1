# How the data of a running store is saved outside its pods and volumes, as a clause.
package stategate.lib.dumps

import data.stategate.lib.members
import data.stategate.lib.versions

# With the names of the workload under review where a command can be given.
save := save_of(main_store)

# The same of the data store in the container of this name: in one pod, several may run.
save_of(name) := text if {
	known(name)
	each := pods_of(engine_in(name))
	text := sprintf("%sstop the clients, then %s", [each, command(name, target(each), file(each))])
} else := concat("", [pods_of(engine_in(name)), with_tool(engine_in(name))])

# The same of one pod of the StatefulSet under review.
save_pod(pod) := text if {
	known(main_store)
	text := sprintf("stop its clients, then %s", [command(main_store, pod, sprintf("%s.sql", [pod]))])
} else := with_tool(input.workload.engine.name)

main_store := object.get(input.workload, ["engine", "container"], "")

engine_in(name) := engines[0] if {
	engines := [container.engine |
		some container in input.workload.containers
		container.name == name
		object.get(container, "engine", "") != ""
	]
	count(engines) > 0
} else := input.workload.engine.name

# Only what the official image lets local users do is sure to work.
known(name) if {
	engine_in(name) == "postgres"
	kinds[input.workload.kind]
	some container in input.workload.containers
	container.name == name
	regex.match(`(^|/)(postgres|postgis|pgvector)$`, container.image.repository)
}

command(name, pod, into) := sprintf("kubectl exec %s%s -c %s -- pg_dumpall -U %s > %s; look for its last line, %s", [
	in_namespace,
	pod,
	name,
	superuser(name),
	into,
	`"database cluster dump complete"`,
])

# Of which pods, as a clause. Those that nothing joins hold data of their own each, and `kubectl exec` picks one.
pods_of(engine) := sprintf("for each of the %d pods, into a %s of its own: ", [pods, copy_of(engine)]) if {
	pods > 1
	members.separate
} else := "" if {
	at_once(engine)
} else := "on one pod, the primary if there is one: " if {
	pods > 1
	engine in {"mongodb", "mysql", "postgres"}
	members.joined
} else := sprintf("for each of the %d pods that has data of its own, into a %s of its own: ", [pods, copy_of(engine)]) if {
	pods > 1
} else := sprintf("for the pod of each node, into a %s of its own: ", [copy_of(engine)]) if {
	input.workload.kind == "DaemonSet"
} else := ""

# What their tools do is for all members at once, or says itself that it is done on each.
at_once(engine) if {
	not members.separate
	engine in {
		"arangodb", "cassandra", "cockroach", "consul", "couchbase", "couchdb", "cratedb", "dgraph", "elasticsearch", "etcd",
		"kafka", "milvus", "minio", "nats", "rabbitmq", "redpanda", "rethinkdb", "scylla", "weaviate", "yugabyte",
	}
}

at_once("vault") if members.raft

copy_of(engine) := "file" if {
	engine in {"consul", "etcd", "mongodb", "mysql", "openldap", "postgres", "rabbitmq", "redis", "rethinkdb", "vault"}
} else := "place"

# Those that a change takes away hold data, too.
pods := max(counts) if count(counts) > 0

counts contains number if number := input.workload.replicas

counts contains number if number := input.old_workload.replicas

target("") := sprintf("%s/%s", [kinds[input.workload.kind], input.workload.name])

target(each) := sprintf("%s-N", [name]) if {
	each != ""
	input.workload.kind == "StatefulSet"
	name := input.workload.name
} else := "POD" if {
	each != ""
}

file("") := "dump.sql"

file(each) := sprintf("%s.sql", [target(each)]) if each != ""

in_namespace := sprintf("-n %s ", [input.workload.namespace]) if {
	input.workload.namespace != ""
} else := ""

# Kinds that `kubectl exec` takes; it picks one of the pods.
kinds := {
	"StatefulSet": "statefulset",
	"Deployment": "deployment",
	"DaemonSet": "daemonset",
	"ReplicaSet": "replicaset",
	"Pod": "pod",
}

# A shell would read anything else.
superuser(name) := names[0] if {
	names := [variable.value | some variable in given(name); regex.match(`^[A-Za-z0-9_]+$`, variable.value)]
	count(names) > 0
} else := "USER" if {
	count(given(name)) > 0
} else := "postgres"

given(name) := [variable |
	some container in input.workload.containers
	container.name == name
	some variable in container.env
	variable.name == "POSTGRES_USER"
]

with_tool(name) := text if {
	name == subject.engine.name
	text := tools[of_image]
} else := text if {
	text := tools[name]
} else := "use its own backup tool, and keep the copy outside the pod"

# Its own kind of backup, though the engine's others have another one.
of_image := "victoria-logs" if {
	subject.engine.name == "victoria-metrics"
	some container in subject.containers
	container.name == subject.engine.container
	contains(container.image.repository, "victoria-logs")
}

# Each database is dumped by itself, since it is loaded in between two calls:
# https://www.tigerdata.com/docs/deploy/self-hosted/backup-and-restore/logical-backup
of_image := "timescaledb" if {
	subject.engine.name == "postgres"
	some container in subject.containers
	container.name == subject.engine.container
	regex.match(`(^|/)timescaledb(-ha)?$`, container.image.repository)
}

# `rabbitmqctl export_definitions` is of 3.8.2, and before 3.4 etcdctl speaks version 2 of the API unless told otherwise.
of_image := "rabbitmq from 3.8.2" if {
	subject.engine.name == "rabbitmq"
	told := release
	not versions.below(told, "3.8.2")
} else := "rabbitmq before 3.8.2" if {
	subject.engine.name == "rabbitmq"
	release
}

of_image := "etcd before 3.4" if {
	subject.engine.name == "etcd"
	versions.below(release, "3.4")
}

release := subject.engine.release if versions.shows_version(subject)

# Of a deletion, only what was there is known.
subject := input.workload if {
	input.workload
} else := input.old_workload

# By default the copies are named SOURCE.TOPIC, and on their way back MirrorMaker passes over these.
mirror_maker := concat(" ", [
	"MirrorMaker 2 into another cluster, with IdentityReplicationPolicy, else the copies get other names and do not come",
	"back; stop the clients; stop MirrorMaker once it has caught up",
])

mirrored_back := "mirror it back in the same way (offsets change)"

tools := {
	"postgres": "pg_dumpall as a superuser, into a file outside of the pod; look for its last line, \"dump complete\"",
	"timescaledb": concat(" ", [
		"pg_dumpall --roles-only and, of each database, pg_dump -Fc, as a superuser, into files outside of the pod, and",
		"note each one's version of the extension timescaledb (\\dx in psql)",
	]),
	"mysql": concat(" ", [
		"mysqldump (of MariaDB from 10.5 on, mariadb-dump) as root, with --all-databases --single-transaction --routines --events,",
		"into a file outside of the pod; look for its last line, \"Dump completed\"",
	]),
	"mongodb": "mongodump --archive as a user with the role backup, into a file outside of the pod; see that it ends without an error",
	"redis": "redis-cli --rdb /tmp/dump.rdb in the pod, then kubectl cp it out: a file in the pod goes with it",
	"etcd": "etcdctl snapshot save from outside of the pod, through kubectl port-forward",
	"etcd before 3.4": "ETCDCTL_API=3 etcdctl snapshot save from outside of the pod, through kubectl port-forward",
	"elasticsearch": concat(" ", [
		"the snapshot API into a bucket or, before 8 and in OpenSearch, where that is a plugin and a restart,",
		"reindex from remote into another cluster, where each index has been made with its settings and mappings",
	]),
	"cassandra": "nodetool snapshot on each node, and copy the files and the schema (DESC SCHEMA) out",
	"scylla": "nodetool snapshot on each node, and copy the files and the schema (DESC SCHEMA) out",
	"clickhouse": "BACKUP ... TO S3, or clickhouse-backup",
	"cockroach": "BACKUP INTO 's3://BUCKET/PATH'",
	"yugabyte": "ysql_dumpall from outside of the pod; for YCQL, ycqlsh COPY TO",
	"consul": "consul snapshot save from outside of the pod",
	"vault": "vault operator raft snapshot save from outside of the pod; of file storage, copy the directory out",
	"minio": "mc mirror into another deployment (newest versions only; mc replicate takes all)",
	"nats": "nats account backup from outside of the pods, into a directory of its own",
	"influxdb": concat(" ", [
		"influx backup of 2.x, influxd backup -portable of 1.x, outside of the pod;",
		"3.x has no tool: copy the files of its object store out",
	]),
	"rabbitmq": concat(" ", [
		"rabbitmqctl -q export_definitions - > definitions.json outside of the pod (before 3.8.2, GET /api/definitions of the",
		"management plugin), and have consumers empty the queues",
	]),
	"rabbitmq from 3.8.2": "rabbitmqctl -q export_definitions - > definitions.json outside of the pod, and have consumers empty the queues",
	"rabbitmq before 3.8.2": concat(" ", [
		"GET /api/definitions of the management plugin (rabbitmq-plugins enable rabbitmq_management takes no restart), into a",
		"file outside of the pod, and have consumers empty the queues",
	]),
	"kafka": mirror_maker,
	"redpanda": mirror_maker,
	"zookeeper": "copy version-2 of its data and its transaction log directory out",
	"prometheus": concat(" ", [
		"copy its data directory out; a snapshot (POST /api/v1/admin/tsdb/snapshot) is better where",
		"--web.enable-admin-api is on already: to turn it on is a restart",
	]),
	"victoria-metrics": concat(" ", [
		"vmctl vm-native into another one; or vmbackup into a bucket where it runs in the pod already:",
		"to add it is a restart",
	]),
	"victoria-logs": concat(" ", [
		"stop what sends logs, call /internal/partition/snapshot/create for each day, and copy the snapshots out;",
		"of versions without it, the directory partitions",
	]),
	"loki": "POST /flush to each ingester, which writes to its object store; of a file system, copy the directory out",
	"tempo": "GET /flush of each ingester, which writes to its object store; of a file system, copy the directory out",
	"mssql": "BACKUP DATABASE of each, and copy the files out",
	"neo4j": concat(" ", [
		"neo4j-admin database backup (Enterprise; before 5, neo4j-admin backup) from outside of the pod,",
		"or an export by APOC where it is on already: to turn it on is a restart",
	]),
	"solr": concat(" ", [
		"the Collections API's BACKUP or, without SolrCloud, /solr/CORE/replication?command=backup of each core,",
		"and copy the directory out",
	]),
	"qdrant": "its snapshot API, and download the snapshots",
	"weaviate": concat(" ", [
		"its backup API where ENABLE_MODULES has a module for it already: to add one is a restart;",
		"else read the objects out, with their vectors",
	]),
	"milvus": "milvus-backup into a bucket",
	"dgraph": "an export into a bucket, by the export mutation of /admin",
	"couchdb": "replicate each database to another CouchDB",
	"couchbase": "cbbackupmgr backup from outside of the pods",
	"arangodb": "arangodump --all-databases true from outside of the pod",
	"rethinkdb": "rethinkdb dump from outside of the pod",
	"cratedb": "CREATE SNAPSHOT into a repository outside of the cluster",
	"meilisearch": "POST /dumps, and copy the dump out",
	"typesense": "POST /operations/snapshot, and copy the snapshot out",
	"aerospike": "asbackup from outside of the pod",
	"openldap": "slapcat -n 0 and slapcat -b SUFFIX by kubectl exec, into files outside of the pod",
}

# How the copy comes into the new, empty store, as a clause.
back := back_with(input.workload.engine.name)

# The same into the data store in the container of this name.
back_of(name) := back_with(engine_in(name))

back_with(engine) := text if {
	engine == subject.engine.name
	text := return[of_image]
} else := text if {
	text := return[engine]
} else := "bring the copy back with its own tools"

return := {
	"postgres": "load the dump",
	"timescaledb": concat(" ", [
		"load the roles and make each database; in it, CREATE EXTENSION timescaledb VERSION 'THAT', SELECT",
		"timescaledb_pre_restore(), run pg_restore, SELECT timescaledb_post_restore()",
	]),
	"mysql": "load the dump",
	"mongodb": "load the dump (mongorestore --archive)",
	"redis": "put dump.rdb into the new data directory before it starts, with appendonly no (else it is not read)",
	"etcd": "make the new data directory from the snapshot (etcdutl snapshot restore; before 3.5, etcdctl snapshot restore)",
	"etcd before 3.4": "make the new data directory from the snapshot (ETCDCTL_API=3 etcdctl snapshot restore)",
	"elasticsearch": "restore the snapshot, or reindex back",
	"cassandra": "make the schema and load the files (sstableloader)",
	"scylla": "make the schema and load the files (nodetool refresh --load-and-stream)",
	"clickhouse": "run RESTORE",
	"cockroach": "run RESTORE",
	"yugabyte": "load the dump",
	"consul": "run consul snapshot restore",
	"vault": concat(" ", [
		"initialize the new one, run vault operator raft snapshot restore -force, and unseal it with the old keys",
		"(of file storage, put the directory back before it starts)",
	]),
	"minio": "mirror it back (mc mirror, or mc replicate)",
	"nats": "run nats account restore",
	"influxdb": "restore it in the same way",
	"rabbitmq": "run rabbitmqctl import_definitions (before 3.8.2, POST the file to /api/definitions)",
	"rabbitmq from 3.8.2": "run rabbitmqctl import_definitions",
	"rabbitmq before 3.8.2": "POST the file to /api/definitions",
	"kafka": mirrored_back,
	"redpanda": mirrored_back,
	"zookeeper": "put the files there before it starts",
	"prometheus": "put the files there before it starts",
	"victoria-metrics": "run vmctl vm-native back, or vmrestore before it starts",
	"victoria-logs": "put each day's files into partitions/DAY before it starts",
	"loki": "put copied files there before it starts",
	"tempo": "put copied files there before it starts",
	"couchdb": "replicate it back",
	"rethinkdb": "run rethinkdb restore",
	"arangodb": "run arangorestore",
	"aerospike": "run asrestore",
	"openldap": "load both files with slapadd (-n 0, -b SUFFIX) while slapd is stopped",
}
