# METADATA
# title: Storage classes keep the disk when its claim is deleted
# description: >-
#   With reclaimPolicy Delete, which is the default, the disk is erased within seconds after its claim is deleted: by a
#   wrong name, with a deleted Namespace, or by an uninstalled chart. With Retain it stays until someone removes it.
#   This policy checks classes, and the classes that claims request as far as stategate knows them; one that is checked
#   in the same run is reported once, at the class. Retained disks cost money until they are removed, so claims in tiers
#   such as dev (exempt_tiers) and classes for scratch data (scratch_classes) pass. Volumes made by hand have their own
#   policy, so classes that provision nothing pass, and so do those of the driver that CSI is tested with
#   (hostpath.csi.k8s.io), those that make buckets and those of plugins
#   that are gone, which volume-no-intree-plugins tells of. Provisioners of directories on NFS may keep the directory
#   themselves (onDelete retain or archive, archiveOnDelete), and then pass.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#reclaim-policy
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-pv-reclaim-policy/
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StorageClass.storage.k8s.io, StatefulSet.apps, PersistentVolumeClaim]}
#   inventory: {StorageClass.storage.k8s.io: optional}
#   parameters:
#     scratch_classes:
#       type: list
#       of: string
#       default: ["*scratch*", "*ephemeral*"]
#       description: Classes (globs) whose data may be lost.
#     judge_claims: {type: boolean, default: true, description: Also check the classes that claims use.}
#     exempt_tiers:
#       type: list
#       of: string
#       default: [dev, staging]
#       description: Tiers whose claims may use any class.
#   fix: >-
#     Set reclaimPolicy: Retain. An existing class must be deleted and created again; volumes that exist keep Delete:
#     patch them, too.
#   why: a wrong name, a deleted Namespace or an uninstalled chart erases the data within seconds
package stategate.storage.storageclass_reclaim_retain

import data.stategate.lib.buckets
import data.stategate.lib.globs
import data.stategate.lib.no_provisioner
import data.stategate.lib.removed_plugins
import data.stategate.lib.requested_claims

violation contains v if {
	class := object.union(input.workload.storage_class, {"name": input.workload.name})
	erases(class)
	not buckets.made
	not removed_plugins.dead_class
	v := {
		"msg": sprintf("StorageClass %s erases a disk as soon as its claim is deleted", [class.name]),
		"path": ["reclaimPolicy"],
		"fix": fix_class(class.name),
	}
}

violation contains v if {
	input.parameters.judge_claims
	some claim in requested_claims.requested
	judged(claim)
	class := input.related.claim_classes[claim.name]
	not class.reviewed # then the class is reported itself
	erases(class)
	not exempt_tier
	v := {
		"msg": sprintf("claim %s uses class %s, which erases the disk when the claim is deleted", [claim.name, class.name]),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
		"fix": fix_claim(claim),
	}
}

erases(class) if {
	class.reclaim_policy != "Retain"
	not no_provisioner.provisions_nothing(class)
	class.provisioner != "hostpath.csi.k8s.io"
	not keeps_directories(class)
	scratch := input.parameters.scratch_classes
	name := class.name
	not globs.matches_any(scratch, name)
}

# This driver reads names and values in any case.
keeps_directories(class) if {
	class.provisioner == "nfs.csi.k8s.io"
	some name, value in class.parameters
	lower(name) == "ondelete"
	lower(value) in {"retain", "archive"}
}

# It renames the directory of a claim that is deleted, unless told otherwise.
keeps_directories(class) if {
	globs.matches_any(["*nfs-subdir-external-provisioner*", "*nfs-client*", "fuseim.pri/*"], class.provisioner)
	parameters := object.get(class, "parameters", {})
	on_delete := object.get(parameters, "onDelete", "")
	on_delete != "delete"
	not erases_directories(parameters, on_delete)
}

erases_directories(parameters, on_delete) if {
	on_delete != "retain"
	lower(parameters.archiveOnDelete) in {"false", "f", "0"}
}

judged(claim) if claim.origin == "template"

# After that the policy of its volume counts, which the claim does not show.
judged(claim) if {
	claim.origin == "object"
	input.review.operation == "CREATE"
}

exempt_tier if input.workload.tier in input.parameters.exempt_tiers

fix_class(name) := text if {
	input.review.operation == "UPDATE"
	text := sprintf(
		"kubectl delete storageclass %s, and apply it with reclaimPolicy: Retain (claims and volumes are not touched)",
		[name],
	)
} else := "Set reclaimPolicy: Retain; a class that exists is deleted and created again (claims and volumes are not touched)"

fix_claim(claim) := text if {
	claim.origin == "object"
	text := sprintf(
		"Use a class with reclaimPolicy Retain; or, once %s is bound, %s",
		[claim.name, patch_volume],
	)
} else := sprintf("Use a class with reclaimPolicy Retain; for the volumes that there are, %s", [patch_volume])

patch_volume := "kubectl patch pv VOLUME -p '{\"spec\": {\"persistentVolumeReclaimPolicy\": \"Retain\"}}'"
