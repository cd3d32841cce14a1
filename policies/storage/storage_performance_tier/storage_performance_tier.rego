# METADATA
# title: Databases use low-latency disks
# description: >-
#   Throughput-optimized and spinning disks take tens of milliseconds for each sync, and a database syncs at every
#   commit; etcd and other quorum stores lose their leader over it. Such a disk looks fine in a test and fails under
#   load. This policy checks claims that hold a data directory of the listed engines, by the disk type that their
#   class requests: sc1, st1 and standard on EBS, pd-standard on Google Cloud (also if the class names no type, since
#   it is the default), Standard_LRS on Azure, and the types in slow_types. Claims for backups and archives hold no
#   data directory and pass.
# related_resources:
# - ref: https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html
# - ref: https://cloud.google.com/kubernetes-engine/docs/how-to/persistent-volumes/gce-pd-csi-driver
# - ref: https://learn.microsoft.com/azure/virtual-machines/disks-types
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   inventory: {StorageClass.storage.k8s.io: optional, PersistentVolumeClaim: optional}
#   parameters:
#     engines:
#       type: list
#       of: string
#       default: [postgres, mysql, mongodb, redis, etcd, zookeeper, consul, vault, elasticsearch, rabbitmq, cassandra, scylla, cockroach]
#       description: Data stores that need low-latency disks.
#     slow_types:
#       type: map
#       of: list
#       default: {}
#       description: More slow types, in lower case, by provisioner.
#   fix: Use an SSD class for the data.
#   why: each sync takes tens of milliseconds; that passes tests but fails under load
package stategate.storage.storage_performance_tier

import data.stategate.lib.claims

slow := {
	"ebs.csi.aws.com": ["sc1", "st1", "standard"],
	"kubernetes.io/aws-ebs": ["sc1", "st1", "standard"],
	"pd.csi.storage.gke.io": ["pd-standard"],
	"kubernetes.io/gce-pd": ["pd-standard"],
	"disk.csi.azure.com": ["standard_lrs"],
	"kubernetes.io/azure-disk": ["standard_lrs"],
}

# The type that a driver uses if the class names none.
assumed := {"pd.csi.storage.gke.io": "pd-standard", "kubernetes.io/gce-pd": "pd-standard"}

violation contains v if {
	engine := input.workload.engine.name
	engine in input.parameters.engines
	some claim in claims.of_data
	class := input.related.claim_classes[claim.name]
	some kind in kinds(class)
	some table in [slow, input.parameters.slow_types]
	kind in table[class.provisioner]
	v := {
		"msg": sprintf(
			"claim %s holds data of %s on %s disks (class %s): every commit waits for them",
			[claim.name, engine, kind, class.name],
		),
		"path": claim.path,
		"fix": concat("", [
			"Copy the data to a claim of a class of SSDs while the store is stopped; or, if the driver can, ",
			"change the disk by spec.volumeAttributesClassName of the claim",
		]),
	}
}

kinds(class) := said if {
	said := {lower(value) |
		some name, value in class.parameters
		lower(name) in {"type", "skuname", "storageaccounttype"}
	}
	count(said) > 0
} else := {kind} if {
	kind := assumed[class.provisioner]
}
