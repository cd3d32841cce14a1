# METADATA
# title: Deleting a Namespace with data requires confirmation
# description: >-
#   A Namespace takes every claim in it along: their volumes are released, with reclaim policy Delete the disks are
#   erased, and the VolumeSnapshots in it go, too. Once begun, it cannot be stopped. Controllers that carry it out must
#   not be held up, so the confirmation is asked for where a person acts: on the Namespace, by name. This policy
#   refuses the deletion of a Namespace with bound claims until it is confirmed, and says which claims these are, what
#   becomes of their disks, and which snapshots there are, as far as PersistentVolumes and VolumeSnapshots are known.
#   A Namespace without bound claims passes. Custom resources that hold data elsewhere are not seen.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [Namespace], operations: [DELETE]}
#   inventory:
#     PersistentVolumeClaim: cluster
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
#     Take a backup, or a copy outside of the Namespace, first. Then kubectl annotate namespace NAME --overwrite
#     stategate.io/confirm-delete=NAME, and delete it again.
#   why: every claim in it is deleted, and nothing stops a Namespace that has begun to go
package stategate.data_protection.delete_guard_namespace

import data.stategate.lib.confirm
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	claims := [claim | some claim in input.related.pvcs; stakes.bound(claim)]
	count(claims) > 0
	not requesters.exempt
	why := confirm.missing(input.old_workload, confirmation, input.old_workload.name)
	v := {
		"msg": sprintf(
			"deleting Namespace %s deletes its %s: %s; %s%s",
			[input.old_workload.name, stakes.claims_in_words(claims), why, stakes.list(claims), copies],
		),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf(
			"First take a backup, or a copy outside of the Namespace; %s; to delete it all the same: %s, then delete it again",
			[stakes.keep(claims), confirm.command("namespace", namespace, confirmation, namespace.name)],
		),
	}
}

# Requests for a Namespace say that it lies in itself.
namespace := object.union(input.old_workload, {"namespace": ""})

copies := "; VolumeSnapshots in it go, too, with their copies unless the class keeps them (deletionPolicy: Retain)" if {
	count(input.related.claim_snapshots) > 0
} else := ""
