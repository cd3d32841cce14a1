# How the data of a running store is saved outside its pods and volumes, as a clause.
package stategate.lib.dumps

# With the names of the workload under review where a command can be given.
save := sprintf("kubectl exec %s%s/%s -c %s -- %s", [in_namespace, kind, input.workload.name, container, command]) if {
	input.workload.engine.name == "postgres"
	container := input.workload.engine.container
	container != ""
	kind := kinds[input.workload.kind]
	command := sprintf("pg_dumpall -U %s > dump.sql", [superuser])
} else := with_tool(input.workload.engine.name)

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

# The official image lets local users in without a password.
superuser := value if {
	some variable in given
	value := variable.value
} else := "USER" if {
	count(given) > 0
} else := "postgres"

given := [variable |
	some container in input.workload.containers
	some variable in container.env
	variable.name == "POSTGRES_USER"
]

with_tool(name) := text if {
	text := tools[name]
} else := "use its own backup tool, and keep the copy outside the pod"

tools := {
	"postgres": "pg_dumpall",
	"mysql": "mysqldump or mariadb-dump --all-databases --single-transaction --routines --events",
	"mongodb": "mongodump",
	"redis": "redis-cli --rdb dump.rdb",
	"etcd": "etcdctl snapshot save",
	"elasticsearch": "the snapshot API, into a repository outside the cluster",
	"cassandra": "nodetool snapshot on each node, and copy the files out",
	"clickhouse": "BACKUP ... TO S3, or clickhouse-backup",
	"consul": "consul snapshot save",
	"vault": "vault operator raft snapshot save",
	"minio": "mc mirror into another deployment",
	"nats": "nats account backup",
	"influxdb": "influx backup (from 2.0 on)",
	"rabbitmq": "rabbitmqctl export_definitions, and have consumers empty the queues",
	"kafka": "MirrorMaker into another cluster",
}
