# METADATA
# title: Deleting a claim requires confirmation
# description: >-
#   Deleting a bound claim releases its volume, and with the usual reclaim policy Delete the disk is erased within
#   seconds. One wrong name, context or label selector is enough. So the person who deletes first confirms, on the
#   claim itself, which claim is meant: that is one command, it is in the audit log, and no script does it by
#   accident. A claim that is not bound has nothing to lose. The refusal says what becomes of the disk and which
#   snapshot is left, as far as PersistentVolumes and VolumeSnapshots are known; neither a retained disk nor a snapshot
#   replaces the confirmation. Nodes, the cluster's own controllers and storage drivers in kube-system are exempt: they
#   carry out the deletion of a Namespace or a workload, which is confirmed there. The service account of a Job or a
#   chart is not. Add operators that delete claims when they scale down to exempt_users, each with its namespace:
#   anyone who may create a ServiceAccount there is exempt, too.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-pv-reclaim-policy/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolumeClaim], operations: [DELETE]}
#   inventory:
#     PersistentVolume: optional
#     VolumeSnapshot.snapshot.storage.k8s.io: optional
#     VolumeSnapshotClass.snapshot.storage.k8s.io: optional
#   terminating: true
#   ratchet: false
#   parameters:
#     exempt_users:
#       type: list
#       of: string
#       default: []
#       description: Further users (globs) who delete without confirmation.
#   fix: >-
#     Take a snapshot or a backup first. Then kubectl annotate pvc NAME --overwrite stategate.io/confirm-delete=NAME,
#     and delete it again.
#   why: with reclaim policy Delete, the usual one, the disk is erased within seconds
package stategate.data_protection.delete_guard_pvc

import data.stategate.lib.confirm
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	some claim in input.old_workload.claims
	stakes.bound(claim)
	not requesters.exempt
	why := confirm.missing(input.old_workload, confirmation, input.old_workload.name)
	v := {
		"msg": sprintf(
			"deleting claim %s%s lets go of %s: %s; %s%s",
			[claim.name, stakes.size(claim), volume(claim), why, stakes.fate(claim), stakes.copy(claim, "; ")],
		),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf(
			"First take a snapshot or a backup; %s; to delete it all the same: %s, then delete it again",
			[
				stakes.keep([claim]),
				confirm.command("pvc", input.old_workload, confirmation, input.old_workload.name),
			],
		),
	}
}

volume(claim) := sprintf("its volume %s", [claim.volume_name]) if {
	claim.volume_name
} else := "its volume"
