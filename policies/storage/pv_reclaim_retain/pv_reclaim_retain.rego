# METADATA
# title: Volumes with data are retained
# description: >-
#   What becomes of a disk when its claim goes is written on the PersistentVolume, and may be changed at any time.
#   Turning Retain into Delete disarms what keeps the data, often long before the claim is deleted and by somebody else;
#   it passes with the annotation stategate.io/confirm-delete: NAME-OF-THE-VOLUME, set before. A bound volume that would be
#   deleted is told, too, whatever its class says: that is how to find volumes of operators that choose no class.
#   Volumes that are not bound, scratch classes and the namespaces of exempt_namespaces are left alone. What a
#   provisioner makes at this moment follows its class, which storageclass-reclaim-retain judges.
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
}

scratch(volume) if globs.matches_any(input.parameters.scratch_classes, volume.storage_class)

scratch(volume) if globs.matches_any(input.parameters.exempt_namespaces, volume.claim_namespace)

# Before the change: one who may turn the policy may write the annotation with it.
confirmed if input.old_workload.annotations[confirmation] == input.workload.name

flipped if input.old_workload.persistent_volume.reclaim_policy == "Retain"

# A provisioner writes what its class says; once the volume is bound it is told.
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
