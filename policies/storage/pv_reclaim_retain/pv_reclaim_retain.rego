# METADATA
# title: Volumes with data are retained
# description: >-
#   What happens to a disk when its claim is deleted is set on the PersistentVolume and can be changed at any time.
#   A volume with a claim that would be erased is flagged, whatever its class says: this finds the volumes of
#   operators that choose no class. pv-reclaim-flip covers the change from Retain to Delete; after it, and for a change
#   to Recycle, the annotation stategate.io/confirm-delete: NAME-OF-THE-VOLUME lets the volume pass if it was already
#   present before. Volumes without a claim, scratch classes and the namespaces in
#   exempt_namespaces pass. A volume that a provisioner is just creating follows its class, which
#   storageclass-reclaim-retain checks.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-pv-reclaim-policy/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [PersistentVolume]}
#   patches: fix
#   parameters:
#     scratch_classes:
#       type: list
#       of: string
#       default: ["*scratch*", "*ephemeral*"]
#       description: Classes (globs) whose data may be lost.
#     exempt_namespaces: {type: list, of: string, default: [], description: Namespaces (globs) whose data may be lost.}
#   fix: "Set persistentVolumeReclaimPolicy: Retain."
#   why: an erased disk cannot be recovered; a retained one can be bound to a new claim
package stategate.storage.pv_reclaim_retain

import data.stategate.lib.globs

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	volume := not_retained
	v := {
		"msg": sprintf("PersistentVolume %s of claim %s %s", [input.workload.name, volume.claim, what]),
		"path": ["spec", "persistentVolumeReclaimPolicy"],
		"key": what,
		"fix": fix,
	}
}

patch contains p if {
	not_retained
	p := {"op": "replace", "path": ["spec", "persistentVolumeReclaimPolicy"], "value": "Retain"}
}

not_retained := volume if {
	volume := input.workload.persistent_volume
	volume.claim
	volume.reclaim_policy != "Retain"
	not scratch(volume)
	not confirmed
	not just_made(volume)
	not told_by_pv_reclaim_flip(volume)
}

told_by_pv_reclaim_flip(volume) if {
	flipped
	volume.reclaim_policy == "Delete"
}

scratch(volume) if globs.matches_any(input.parameters.scratch_classes, volume.storage_class)

scratch(volume) if globs.matches_any(input.parameters.exempt_namespaces, volume.claim_namespace)

# From the object before the change: whoever may change the policy could add the annotation in the same request.
confirmed if input.old_workload.annotations[confirmation] == input.workload.name

flipped if input.old_workload.persistent_volume.reclaim_policy == "Retain"

# A provisioner copies the policy of its class; the volume is flagged once it is bound.
just_made(volume) if {
	input.review.operation == "CREATE"
	input.workload.annotations["pv.kubernetes.io/provisioned-by"]
	object.get(volume, "phase", "Pending") == "Pending"
}

what := "is no longer retained, and its claim is gone: its disk is erased at once" if {
	flipped
	input.workload.persistent_volume.phase == "Released"
} else := "is no longer retained: its disk is erased when the claim is deleted" if {
	flipped
} else := "is erased when the claim is deleted"

fix := text if {
	flipped
	text := sprintf("Keep Retain; if that is meant: kubectl annotate pv %s %s=%s first", [input.workload.name, confirmation, input.workload.name])
} else := sprintf(
	"Set persistentVolumeReclaimPolicy: Retain; of a volume that exists: kubectl patch pv %s -p '{\"spec\": {\"persistentVolumeReclaimPolicy\": \"Retain\"}}'",
	[input.workload.name],
)
