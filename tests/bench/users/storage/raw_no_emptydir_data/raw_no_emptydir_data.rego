# METADATA
# title: Data does not lie in an emptyDir
# description: An emptyDir goes with its pod.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Use a volumeClaimTemplate.
package stategate.storage.raw_no_emptydir_data

import data.stategate.lib.objects

data_directories := {
	"postgres": "/var/lib/postgresql", "postgresql": "/bitnami/postgresql", "mysql": "/var/lib/mysql",
	"mariadb": "/var/lib/mysql", "mongo": "/data/db", "mongodb": "/bitnami/mongodb", "redis": "/data",
	"elasticsearch": "/usr/share/elasticsearch/data", "cassandra": "/var/lib/cassandra", "kafka": "/var/lib/kafka",
	"rabbitmq": "/var/lib/rabbitmq", "etcd": "/var/lib/etcd", "zookeeper": "/data",
	"clickhouse-server": "/var/lib/clickhouse",
}

violation contains v if {
	some volume in objects.pod.volumes
	volume.emptyDir
	some container in objects.running
	some mount in container.volumeMounts
	mount.name == volume.name
	startswith(mount.mountPath, data_directories[objects.image_name(container)])
	v := {"msg": sprintf("data of <%v> at %v is in the emptyDir <%v>", [container.name, mount.mountPath, volume.name])}
}
