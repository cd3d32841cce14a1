# METADATA
# title: Data on disks of the node is replicated
# description: >-
#   A local volume is as fast as the disk and as mortal as its node: when the node goes, the data goes, and until then
#   the pod can run nowhere else. That is right for data stores that keep copies of their own on other nodes, and for
#   nothing else; so the workload says how, with the annotation stategate.io/replication: sync:N for N copies written
#   together, async:TARGET for one that follows, application for members that replicate among themselves, which needs
#   two replicas or more.
#   Judged by the provisioner of the claims' classes (local_provisioners); a class without a provisioner counts if it
#   waits for its first consumer, as classes for local volumes do; and by the volume itself, if it is known, since a
#   local or hostPath volume made by hand needs no class. Claims for scratch space (scratch_claims) pass.
#   Directories of the node without a claim are the matter of volume-no-hostpath-data.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#local
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#local
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, ReplicaSet.apps, Pod]}
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
#       description: Provisioners (globs) whose volumes are on a disk of the node.
#     scratch_claims:
#       type: list
#       of: string
#       default: ["*cache*", "*ephemeral*", "*scratch*", "*tmp*", temp, "temp-*", "*-temp", "*-temp-*"]
#       description: Claims (globs) that may be lost.
#   fix: "Say how the data is replicated: annotation stategate.io/replication; or use a class of network storage."
package stategate.storage.volume_local_replication_declared

import data.stategate.lib.globs

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
			"Annotate %s: application (two replicas or more), sync:N or async:TARGET; or use a class of network storage",
			[annotation],
		),
	}
}

local_claims contains name if {
	some claim in input.workload.claims
	claim.origin in {"template", "reference"}
	scratch := input.parameters.scratch_claims
	name := claim.name
	not globs.matches_any(scratch, name)
	on_the_node(name)
}

on_the_node(name) if is_local(input.related.claim_classes[name])

# Made by hand: its class may be a name only.
on_the_node(name) if {
	some volume in input.related.pvs
	volume.source in {"local", "hostPath"}
	volume.claim_name in made(name)
}

# The claim itself, and those that a template of this name has made.
made(name) := {name} | {pvc.name |
	some pvc in input.related.pvcs
	object.get(pvc, "template", "") == name
}

is_local(class) if globs.matches_any(input.parameters.local_provisioners, class.provisioner)

is_local(class) if {
	class.provisioner == "kubernetes.io/no-provisioner"
	class.volume_binding_mode == "WaitForFirstConsumer"
}

# What the workload does not say of its replication; undefined if it says enough.
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
