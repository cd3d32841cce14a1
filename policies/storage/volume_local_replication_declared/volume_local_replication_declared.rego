# METADATA
# title: Data on node-local disks is replicated
# description: >-
#   A local volume is as fast as the disk and as short-lived as its node: when the node is lost, the data is lost,
#   and until then the pod can run nowhere else. That only suits data stores that keep their own copies on other
#   nodes; so the workload declares how it replicates, with the annotation stategate.io/replication: sync:N for N
#   copies written together, async:TARGET for one that follows, or application for members that replicate among
#   themselves, which needs two replicas or more. This policy goes by the provisioner of the claims' classes
#   (local_provisioners). A class without a provisioner counts if it waits for its first consumer, as classes for
#   local volumes do. It also checks the volume itself, if known, since a local or hostPath volume made by hand needs
#   no class. Claims for scratch space (scratch_claims) pass, and those that are mounted for
#   logs, caches and the like only, or by programs that fetch again what they hold, such as torrent clients. volume-no-hostpath-data covers node directories that
#   are used without a claim.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#local
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#local
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   inventory: {StorageClass.storage.k8s.io: cluster, PersistentVolumeClaim: bundle, PersistentVolume: bundle}
#   parameters:
#     local_provisioners:
#       type: list
#       of: string
#       default:
#       - rancher.io/local-path
#       - openebs.io/local
#       - local.csi.openebs.io
#       - zfs.csi.openebs.io
#       - topolvm.io
#       - topolvm.cybozu.com
#       - rawfile.csi.openebs.io
#       - directpv-min-io
#       - "*hostpath*"
#       description: Provisioners (globs) whose volumes are on a local disk of the node.
#     scratch_claims:
#       type: list
#       of: string
#       default: ["*cache*", "*ephemeral*", "*scratch*", "*tmp*", temp, "temp-*", "*-temp", "*-temp-*"]
#       description: Claims (globs) that may be lost.
#   fix: >-
#     Declare how the data is replicated, if it is, with the annotation stategate.io/replication. If it is not, move the
#     data to a claim of a network storage class.
#   why: a local volume exists on one node only, and its pod can run nowhere else
package stategate.storage.volume_local_replication_declared

import data.stategate.lib.claims
import data.stategate.lib.globs
import data.stategate.lib.kept_data
import data.stategate.lib.no_provisioner

annotation := "stategate.io/replication"

violation contains v if {
	count(local_claims) > 0
	why := doubt
	v := {
		"msg": sprintf(
			"claim %s of %s %s is on a disk of the node and %s: losing the node loses the data",
			[concat(", ", local_claims), input.workload.kind, input.workload.name, why],
		),
		"path": ["metadata", "annotations", annotation],
		"fix": sprintf(
			"Annotate what is true in %s: application if the store copies it itself, sync:N or async:TARGET; or, %s",
			[annotation, "if nothing does, move the data to a class of network storage"],
		),
	}
}

local_claims contains name if {
	some claim in input.workload.claims
	claim.origin in {"template", "reference"}
	scratch := input.parameters.scratch_claims
	name := claim.name
	not globs.matches_any(scratch, name)
	count(claims.mounts_of(name)) > 0
	not of_no_value(name)
	on_the_node(name)
}

# Mounted for logs and the like only. What a data store calls logs may be its data.
of_no_value(name) if {
	not input.workload.engine
	every mount in claims.mounts_of(name) {
		passing(mount)
	}
}

passing(mount) if {
	some container in input.workload.containers
	mount in container.mounts
	kept_data.passing(container, mount)
}

on_the_node(name) if is_local(input.related.claim_classes[name])

# A volume made by hand: its class may have no StorageClass object.
on_the_node(name) if {
	some volume in input.related.pvs
	volume.source in {"local", "hostPath"}
	volume.claim_name in made(name)
}

# The claim itself, and those created from a template of this name.
made(name) := {name} | {pvc.name |
	some pvc in input.related.pvcs
	object.get(pvc, "template", "") == name
}

is_local(class) if globs.matches_any(input.parameters.local_provisioners, class.provisioner)

is_local(class) if {
	no_provisioner.provisions_nothing(class)
	class.volume_binding_mode == "WaitForFirstConsumer"
}

# What is missing from the workload's replication declaration; undefined if it is complete.
doubt := "says nothing of replication" if {
	not declared
} else := "has one replica only" if {
	declared == "application"
	object.get(input.workload, "replicas", 1) < 2
} else := sprintf("says of replication \"%s\", which is none of application, sync:N, async:TARGET", [said]) if {
	said := declared
	not understood(said)
}

declared := input.workload.annotations[annotation]

understood(text) if text == "application"

understood(text) if regex.match(`^sync:([2-9]|[1-9][0-9]+)$`, text)

understood(text) if regex.match(`^async:[^ ]+$`, text)
