# METADATA
# title: Deleting a workload that takes its claims along requires confirmation
# description: >-
#   Claims usually outlive the workload that uses them. Not so if a StatefulSet says whenDeleted: Delete, or if the
#   claims have an owner reference to the workload: then the garbage collector deletes them with it, and with reclaim
#   policy Delete their disks are erased. Nobody asks the garbage collector, so the deletion of the owner is confirmed.
#   That data in the pods themselves goes, too, is told by volume-data-lost-in-rollout.
#   This policy flags it unless the confirmation names the workload. Deleting with --cascade=orphan keeps pods and
#   claims and passes; so does a workload whose claims stay. Owner references are those of the claims that are known;
#   owners of other kinds, such as custom resources, are not seen.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
# - ref: https://kubernetes.io/docs/concepts/architecture/garbage-collection/#cascading-deletion
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [DELETE]}
#   inventory:
#     PersistentVolumeClaim: optional
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
#     Set persistentVolumeClaimRetentionPolicy.whenDeleted: Retain first, and wait until the claims have no
#     ownerReferences; or take a backup. Then delete it again. To lose the data on purpose, annotate
#     stategate.io/confirm-delete=NAME.
#   why: the garbage collector deletes the claims with their owner, and asks nobody
package stategate.data_protection.delete_guard_workload

import data.stategate.lib.confirm
import data.stategate.lib.deletion
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	taken := going
	not deletion.orphans
	not requesters.exempt
	why := confirm.missing(input.old_workload, confirmation, input.old_workload.name)
	v := {
		"msg": sprintf(
			"deleting %s %s deletes %s (%s): %s%s",
			[input.old_workload.kind, input.old_workload.name, taken.what, because, why, taken.list],
		),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf("First take a snapshot or a backup; %s; to delete it all the same: %s, then delete it again", [
			remedy,
			confirm.command(lower(input.old_workload.kind), input.old_workload, confirmation, input.old_workload.name),
		]),
	}
}

# What goes with it, in words.
going := {"what": stakes.claims_in_words(claims), "list": sprintf("; %s", [stakes.list(claims)])} if {
	claims := [claim |
		some claim in input.related.pvcs
		stakes.bound(claim)
		goes(claim)
	]
	count(claims) > 0
} else := {"what": "the claims of its pods", "list": "; their disks are erased unless their reclaim policy is Retain"} if {
	deletes_claims
	not input.related.pvcs
}

goes(claim) if claim.owned

goes(claim) if {
	deletes_claims
	claim.template
}

deletes_claims if {
	input.old_workload.retention.when_deleted == "Delete"
	some claim in input.old_workload.claims
	claim.origin == "template"
}

because := "whenDeleted: Delete" if {
	deletes_claims
} else := "their owner references lead to it"

# Only the controller takes the owner references off, and it stops at the first pod that is not ready.
remedy := sprintf("to keep the claims: kubectl patch statefulset %s -n %s --type=merge -p '%s', %s", [
	input.old_workload.name,
	input.old_workload.namespace,
	`{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain"}}}`,
	"and wait until no claim has ownerReferences",
]) if {
	deletes_claims
} else := "to keep the claims, remove their owner references to it"
