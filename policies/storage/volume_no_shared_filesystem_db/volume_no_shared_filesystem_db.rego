# METADATA
# title: Data stores do not use network file systems
# description: >-
#   A database relies on synced data being on the disk and on locks holding. Network file systems (NFS, SMB, EFS,
#   Azure Files) and mounted buckets weaken both: mounts cache, locks vanish when a server restarts, and every sync
#   waits for the network. The result is a slow database on good days and a broken one after a failover. This policy
#   checks volumes that hold a data directory of the listed engines, or a part of one: nfs and csi volumes of the
#   pod, and claims by the provisioner of their class or the source of their volume. Volumes for backups and archives
#   are not data directories and pass. Storage that is certified for a database over NFS needs an exemption or a
#   shorter list.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# - ref: https://www.postgresql.org/docs/current/creating-cluster.html#CREATING-CLUSTER-NFS
# - ref: https://etcd.io/docs/latest/op-guide/hardware/#disks
# - ref: https://prometheus.io/docs/prometheus/latest/storage/#operational-aspects
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   inventory: {StorageClass.storage.k8s.io: cluster, PersistentVolumeClaim: bundle, PersistentVolume: bundle}
#   parameters:
#     engines:
#       type: list
#       of: string
#       default:
#       - postgres
#       - mysql
#       - mongodb
#       - redis
#       - kafka
#       - redpanda
#       - zookeeper
#       - etcd
#       - elasticsearch
#       - rabbitmq
#       - cassandra
#       - scylla
#       - cockroach
#       - clickhouse
#       - consul
#       - influxdb
#       - prometheus
#       description: Data stores that need their own file system.
#     shared_provisioners:
#       type: list
#       of: string
#       default:
#       - "*nfs*"
#       - "*smb*"
#       - efs.csi.aws.com
#       - file.csi.azure.com
#       - kubernetes.io/azure-file
#       - filestore.csi.storage.gke.io
#       - s3.csi.aws.com
#       - gcsfuse.csi.storage.gke.io
#       - blob.csi.azure.com
#       description: Provisioners and drivers (globs) of network file systems and mounted buckets.
#   fix: >-
#     Copy the data with its own tool, or its files while the store is stopped, to a claim of a class of block storage,
#     and use that.
#   why: a database that cannot trust its syncs and locks may be corrupt after a failover
package stategate.storage.volume_no_shared_filesystem_db

import data.stategate.lib.claims
import data.stategate.lib.dumps
import data.stategate.lib.globs

violation contains v if {
	engine := input.workload.engine.name
	engine in input.parameters.engines
	some place in shared
	v := {
		"msg": sprintf(
			"data of %s is on a network file system (%s): syncs are slow, and locks do not hold",
			[engine, place.what],
		),
		"path": place.path,
		"fix": sprintf(
			"Bring the data (%s; or its files, while it is stopped) to block storage: use %s, with a class of disks",
			[dumps.with_tool(engine), place.instead],
		),
	}
}

shared contains place if {
	some volume in input.workload.volumes
	volume.name in claims.data_volumes
	volume.source in {"nfs", "azureFile"}
	place := {
		"what": sprintf("volume %s, %s", [volume.name, volume.source]),
		"path": volume.path,
		"instead": "a claim",
	}
}

shared contains place if {
	some volume in input.workload.volumes
	volume.name in claims.data_volumes
	globs.matches_any(input.parameters.shared_provisioners, volume.driver)
	place := {
		"what": sprintf("volume %s, %s", [volume.name, volume.driver]),
		"path": volume.path,
		"instead": "a claim",
	}
}

shared contains place if {
	some claim in claims.of_data
	class := input.related.claim_classes[claim.name]
	globs.matches_any(input.parameters.shared_provisioners, class.provisioner)
	place := {
		"what": sprintf("class %s, %s", [class.name, class.provisioner]),
		"path": claim.path,
		"instead": sprintf("another claim in the place of %s", [claim.name]),
	}
}

# A volume made by hand, without a class.
shared contains place if {
	some claim in claims.of_data
	name := claim.name
	not input.related.claim_classes[name]
	some volume in input.related.pvs
	volume.claim_name == name
	by_network(volume)
	place := {
		"what": sprintf("PersistentVolume %s", [volume.name]),
		"path": claim.path,
		"instead": sprintf("another claim in the place of %s", [claim.name]),
	}
}

by_network(volume) if volume.source in {"nfs", "azureFile"}

by_network(volume) if globs.matches_any(input.parameters.shared_provisioners, volume.driver)
