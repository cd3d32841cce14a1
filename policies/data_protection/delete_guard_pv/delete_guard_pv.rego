# METADATA
# title: Deleting a PersistentVolume that leads to data requires confirmation
# description: >-
#   The deletion of a PersistentVolume cannot be taken back: while a claim is bound to it, it stays Terminating and goes
#   as soon as the claim does. A Released volume with policy Retain is the only object that says which disk has the
#   data. This policy flags the deletion of both until it is confirmed on the PersistentVolume. A volume that was never
#   bound passes, and so does a Released or Failed one with policy Delete, which its provisioner is about to delete.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#retain
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolume], operations: [DELETE]}
#   inventory:
#     PersistentVolume: optional
#     VolumeSnapshot.snapshot.storage.k8s.io: optional
#     VolumeSnapshotClass.snapshot.storage.k8s.io: optional
#   ratchet: false
#   parameters:
#     exempt_users:
#       type: list
#       of: string
#       default: []
#       description: Further users (globs) who delete without confirmation.
#   fix: >-
#     Keep its manifest first: kubectl get pv NAME -o yaml > NAME.yaml. Then kubectl annotate pv NAME --overwrite
#     stategate.io/confirm-delete=NAME, and delete it again.
#   why: the object is what leads to the disk, and a volume that is being deleted cannot be kept
package stategate.data_protection.delete_guard_pv

import data.stategate.lib.confirm
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	volume := input.old_workload.persistent_volume
	consequence := at_stake(volume)
	not requesters.exempt
	why := confirm.missing(input.old_workload, confirmation, input.old_workload.name)
	v := {
		"msg": sprintf("deleting PersistentVolume %s (%s, claim %s): %s; %s%s", [
			input.old_workload.name,
			size,
			volume.claim,
			why,
			consequence,
			stakes.copy({"name": object.get(volume, "claim_name", "")}, "; "),
		]),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf(
			"%sKeep its manifest, which names the disk: kubectl get pv %s -o yaml > %s.yaml; to delete it all the same: %s, then delete it again",
			[
				before(volume), input.old_workload.name, input.old_workload.name,
				confirm.command("pv", input.old_workload, confirmation, input.old_workload.name),
			],
		),
	}
}

at_stake(volume) := "it hangs in Terminating until its claim goes, and then the disk is erased (reclaim policy Delete)" if {
	in_use(volume)
	volume.reclaim_policy != "Retain"
} else := "it hangs in Terminating until its claim goes; the disk stays (reclaim policy Retain), but nothing leads to it" if {
	in_use(volume)
} else := "the disk stays (reclaim policy Retain), but nothing else says which one it is" if {
	volume.phase == "Released"
	volume.reclaim_policy == "Retain"
}

before(volume) := sprintf(
	"Take a snapshot or a backup; to keep the disk: kubectl patch pv %s -p '%s'. ",
	[input.old_workload.name, stakes.retain],
) if {
	in_use(volume)
	volume.reclaim_policy != "Retain"
} else := ""

# A claim is named, whatever the status says of it.
in_use(volume) if {
	volume.claim
	not object.get(volume, "phase", "Bound") in {"Available", "Released", "Failed"}
}

size := object.get(input.review.oldObject.spec, ["capacity", "storage"], "of unknown size")
