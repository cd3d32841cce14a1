# How the data of a running store is saved outside its pods and volumes, as a clause.
package stategate.lib.dumps

# With the names of the workload under review where a command can be given.
save := sprintf("%sstop the clients, then kubectl exec %s%s -c %s -- %s; look for its last line, %s", [
	each, in_namespace, target, container, command, `"database cluster dump complete"`,
]) if {
	input.workload.engine.name == "postgres"
	container := input.workload.engine.container
	container != ""
	kinds[input.workload.kind]
	command := sprintf("pg_dumpall -U %s > dump.sql", [superuser])
} else := with_tool(input.workload.engine.name)

# Pods that nothing joins hold data of their own each, and `kubectl exec` picks one.
each := sprintf("for each of the %d pods: ", [input.workload.replicas]) if {
	object.get(input.workload, "replicas", 1) > 1
} else := "for the pod of each node: " if {
	input.workload.kind == "DaemonSet"
} else := ""

target := sprintf("%s-N", [input.workload.name]) if {
	each != ""
	input.workload.kind == "StatefulSet"
} else := "POD" if {
	each != ""
} else := sprintf("%s/%s", [kinds[input.workload.kind], input.workload.name])

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
	"mysql": "kubectl exec POD -- mysqldump (or mariadb-dump) --all-databases --single-transaction --routines --events > dump.sql",
	"mongodb": "kubectl exec POD -- mongodump --archive > dump.archive",
	"redis": "redis-cli --rdb /tmp/dump.rdb in the pod, then kubectl cp it out: a file in the pod goes with it",
	"etcd": "etcdctl snapshot save from outside of the pod, through kubectl port-forward",
	"elasticsearch": "the snapshot API, into a repository outside the cluster",
	"cassandra": "nodetool snapshot on each node, and copy the files out",
	"clickhouse": "BACKUP ... TO S3, or clickhouse-backup",
	"consul": "consul snapshot save from outside of the pod",
	"vault": "vault operator raft snapshot save from outside of the pod",
	"minio": "mc mirror into another deployment (newest versions only; mc replicate takes all)",
	"nats": "nats account backup from outside of the pods",
	"influxdb": "influx backup (from 2.0 on) from outside of the pod",
	"rabbitmq": "rabbitmqctl export_definitions, and have consumers empty the queues",
	"kafka": "MirrorMaker into another cluster",
}
