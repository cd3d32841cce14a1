# METADATA
# title: A retained volume is not turned over to deletion
# description: >-
#   With reclaim policy Retain a disk outlives its claim. Changing it to Delete removes that protection, often long
#   before the claim is deleted and by somebody else; if the claim is gone already, the disk is erased at once. This
#   policy flags the change on a PersistentVolume with a claim unless the annotation stategate.io/confirm-delete:
#   NAME-OF-THE-VOLUME was there before. pv-reclaim-retain covers volumes that always had the policy Delete. Files are
#   compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-pv-reclaim-policy/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolume], operations: [UPDATE]}
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
#       description: Further users (globs) who change it without confirmation.
#   fix: "Keep persistentVolumeReclaimPolicy: Retain."
#   why: an erased disk cannot be recovered; a retained one can be bound to a new claim
package stategate.data_protection.pv_reclaim_flip

import data.stategate.lib.confirm
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	input.old_workload.persistent_volume.reclaim_policy == "Retain"
	volume := input.workload.persistent_volume
	volume.reclaim_policy == "Delete"
	volume.claim
	not requesters.exempt

	# Whoever may change the policy could add the annotation in the same request.
	why := confirm.missing(input.old_workload, confirmation, input.workload.name)
	v := {
		"msg": sprintf("PersistentVolume %s of claim %s changes from Retain to Delete: %s; %s%s", [
			input.workload.name,
			volume.claim,
			why,
			consequence(volume),
			stakes.copy({"name": object.get(volume, "claim_name", "")}, "; "),
		]),
		"path": ["spec", "persistentVolumeReclaimPolicy"],
		"fix": sprintf(
			"Keep persistentVolumeReclaimPolicy: Retain, or take a snapshot or a backup first; to change it all the same: %s, then change it again",
			[confirm.command("pv", input.workload, confirmation, input.workload.name)],
		),
	}
}

consequence(volume) := "its claim is gone, so the disk is erased at once" if {
	object.get(volume, "phase", "Bound") == "Released"
} else := "the disk is erased when the claim is deleted"
