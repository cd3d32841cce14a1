# METADATA
# title: The finalizers that protect claims and volumes are removed by their controllers
# description: >-
#   kubernetes.io/pvc-protection keeps a claim until no pod uses it, and kubernetes.io/pv-protection a volume until no
#   claim is bound to it. Their controllers remove them as soon as that is so. Whoever removes them by hand, often to get
#   rid of something that hangs in Terminating, lets the object go while it is in use: with reclaim policy Delete the
#   disk may be erased under running pods, and a claim whose volume is gone is Lost. This policy flags an update that
#   removes one of the two from a bound claim, or from a volume with a claim, until it is confirmed. Finalizers of
#   storage drivers and other tools are theirs.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#storage-object-in-use-protection
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolumeClaim, PersistentVolume], operations: [UPDATE]}
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
#       description: Further users (globs) who remove them without confirmation.
#   fix: >-
#     Leave it: the controller removes it once nothing uses the object (kubectl describe shows what does). To remove it
#     all the same, annotate stategate.io/confirm-finalizer-removal with the finalizer's name.
#   why: the object goes while pods still write to its disk
package stategate.data_protection.finalizer_removal_guard

import data.stategate.lib.confirm
import data.stategate.lib.requesters
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-finalizer-removal"

violation contains v if {
	some finalizer in ["kubernetes.io/pvc-protection", "kubernetes.io/pv-protection"]
	finalizer in input.review.oldObject.metadata.finalizers
	not kept(finalizer)
	what := at_stake
	not requesters.exempt
	why := confirm.missing(input.workload, confirmation, finalizer)
	v := {
		"msg": sprintf("removing %s from %s: %s; %s", [finalizer, what.name, why, what.consequence]),
		"path": ["metadata", "finalizers"],
		"key": finalizer,
		"fix": sprintf("%s. To remove it all the same, take a snapshot or a backup first; then %s, then remove it again", [
			what.instead,
			confirm.command(what.resource, input.workload, confirmation, finalizer),
		]),
	}
}

kept(finalizer) if finalizer in input.review.object.metadata.finalizers

at_stake := what if {
	some claim in input.old_workload.claims
	claim.origin == "object"
	stakes.bound(claim)
	name := sprintf("claim %s%s", [claim.name, stakes.size(claim)])
	consequence := sprintf(
		"once it is deleted, it goes even if pods write to it: %s%s",
		[stakes.fate(claim), stakes.copy(claim, "; ")],
	)
	instead := sprintf(
		"Leave it: its controller removes it once no pod uses the claim (kubectl describe pvc %s -n %s: Used By)",
		[claim.name, input.workload.namespace],
	)
	what := {"resource": "pvc", "name": name, "consequence": consequence, "instead": instead}
} else := what if {
	volume := input.old_workload.persistent_volume
	not object.get(volume, "phase", "Bound") in {"Available", "Released", "Failed"}
	name := sprintf("PersistentVolume %s", [input.workload.name])
	consequence := sprintf(
		"once it is deleted, it goes although claim %s is bound to it%s",
		[volume.claim, stakes.copy({"name": object.get(volume, "claim_name", "")}, "; ")],
	)
	instead := sprintf("Leave it: its controller removes it once claim %s is gone", [volume.claim])
	what := {"resource": "pv", "name": name, "consequence": consequence, "instead": instead}
}
