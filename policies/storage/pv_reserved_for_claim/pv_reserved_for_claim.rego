# METADATA
# title: A volume made by hand is reserved for its claim, and tied to its node
# description: >-
#   A PersistentVolume without claimRef goes to the first claim that fits: of its class, of any namespace, of its size
#   or smaller. A disk that holds data is then mounted by somebody else's pods, and the claim it was meant for stays
#   pending. A claim that names the volume (volumeName) does not keep others of its class from it; only claimRef does.
#   Without a class, only claims that opt out of classes compete, and those name a volume as a rule: if one known claim
#   without a class names this one, and no other does, it passes. This policy checks volumes that name a particular disk
#   or export. Volumes that a provisioner made come with their claim, and volumes of the node (local, hostPath) are
#   often made as a pool for any claim: both pass, unless the class of the latter is known to provision volumes, so that
#   its claims expect new ones. Volumes that are already bound pass, and
#   those whose class has their own name (pg-data-pv of class pg-data-storage-class), which only their claim asks for.
#   A hostPath volume is the directory of whichever node its pod runs on, and an empty one is made where there is none:
#   without nodeAffinity, or with one that every node meets, a pod that is scheduled elsewhere finds none of its files.
#   It is flagged unless the cluster is known to have one node, or only DaemonSets mount its claim, whose pods each
#   have the directory of their own node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reserving-a-persistentvolume
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [PersistentVolume]}
#   inventory:
#     {Node: optional, PersistentVolumeClaim: optional, DaemonSet.apps: optional, StorageClass.storage.k8s.io: optional}
#   parameters:
#     pools:
#       type: list
#       of: string
#       default: [local, hostPath]
#       description: Sources of volumes that any claim may take.
#   fix: "Set spec.claimRef: {namespace: NAMESPACE, name: CLAIM}; for a hostPath, spec.nodeAffinity to its node."
#   why: the first claim that fits gets the disk, and a directory of a node is empty on the others
package stategate.storage.pv_reserved_for_claim

import data.stategate.lib.no_provisioner

violation contains v if {
	volume := input.workload.persistent_volume
	not volume.claim
	not pooled
	# It is emptied for whoever comes next.
	volume.reclaim_policy != "Recycle"
	not provisioned
	not own_class
	not claimed
	object.get(volume, "phase", "Available") in {"Available", "Pending"}
	v := {
		"msg": sprintf(
			"PersistentVolume %s has no claimRef: any claim %s, in any namespace, can take it and its data",
			[input.workload.name, of_class(volume.storage_class)],
		),
		"path": ["spec"],
		"key": "claimRef",
		"fix": fix,
	}
}

violation contains v if {
	input.workload.persistent_volume.source == "hostPath"
	not tied_to_nodes
	not provisioned
	not one_node
	not on_each_node
	v := {
		"msg": sprintf(
			"PersistentVolume %s is %s of whichever node the pod runs on: on another node it finds none of its files",
			[input.workload.name, input.review.object.spec.hostPath.path],
		),
		"path": ["spec", "hostPath"],
		"key": "nodeAffinity",
		"fix": concat("", [
			"Tie it to the node that has the files: spec.nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: ",
			"[{key: kubernetes.io/hostname, operator: In, values: [NODE]}]}]}}", anew,
			"; if every node mounts the same share there, use nfs; if it is for a DaemonSet, mount it as hostPath in its pods instead",
		]),
	}
}

one_node if input.related.nodes.count == 1

# Each pod of a DaemonSet has the directory of its own node.
on_each_node if {
	some claim in input.related.pvcs
	count(claim.mounted_by) > 0
	every mounter in claim.mounted_by {
		mounter.kind == "DaemonSet"
	}
}

terms := object.get(input.review.object, ["spec", "nodeAffinity", "required", "nodeSelectorTerms"], [])

# One term that is met is enough.
tied_to_nodes if {
	count(terms) > 0
	every term in terms {
		not on_every_node(term)
	}
}

on_every_node(term) if {
	not term.matchFields
	count(term.matchExpressions) > 0
	every expression in term.matchExpressions {
		expression.operator == "Exists"
		expression.key in {"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"}
	}
}

anew := ", in a new PersistentVolume if this one is there already" if {
	count(terms) > 0
} else := ""

# Made for any claim, as there are no others of its class.
pooled if {
	pools := input.parameters.pools
	input.workload.persistent_volume.source in pools
	not class_provisions
}

class_provisions if {
	name := input.workload.persistent_volume.storage_class
	class := input.related.storage_classes[name]
	not no_provisioner.provisions_nothing(class)
}

# Only a claim that is meant for this volume names its class.
own_class if input.workload.persistent_volume.storage_class == input.workload.name

own_class if {
	stem := trim_suffix(trim_suffix(input.workload.name, "-volume"), "-pv")
	not stem in for_many
	class := input.workload.persistent_volume.storage_class
	startswith(class, stem)
	trim_prefix(class, stem) in {"-storage-class", "-storageclass", "-sc", "-class", "-storage"}
	not class_provisions
}

own_class if {
	stem := trim_suffix(trim_suffix(input.workload.name, "-volume"), "-pv")
	input.workload.persistent_volume.storage_class == stem
	words := {word | some word in split(stem, "-")}
	count(words) > 1
	count(words & (for_many - {"data"})) == 0
	not class_provisions
}

# Words of classes that many claims have.
for_many := {
	"block", "ceph", "cephfs", "cifs", "cinder", "client", "csi", "data", "default", "disk", "ebs", "efs", "fast", "gluster",
	"gp2", "gp3", "hdd", "hostpath", "iscsi", "local", "longhorn", "managed", "manual", "nas", "nfs", "nvme", "openebs",
	"path", "premium", "provisioner", "rbd", "rwo", "shared", "slow", "smb", "ssd", "standard", "static", "storage", "thin",
	"vsphere",
}

# Other claims get the default class, or name a volume of their own. Of two that name this one, the first gets it; one
# with a class never does.
claimed if {
	input.workload.persistent_volume.storage_class == ""
	count(named_by) == 1
	named_by[0].storage_class == ""
}

named_by := [claim | some claim in input.related.pvcs; claim.volume_name == input.workload.name]

provisioned if input.workload.annotations["pv.kubernetes.io/provisioned-by"] != ""

of_class("") := "without a class"

of_class(name) := sprintf("of class %s", [name]) if name != ""

fix := text if {
	input.review.operation == "UPDATE"
	text := sprintf(
		"kubectl patch pv %s -p '{\"spec\": {\"claimRef\": {\"namespace\": \"NAMESPACE\", \"name\": \"CLAIM\"}}}'",
		[input.workload.name],
	)
} else := "Set spec.claimRef: {namespace: NAMESPACE, name: CLAIM}, with those of the claim that it is for"
