# METADATA
# title: A StatefulSet keeps its claims
# description: >-
#   Claims outlive their StatefulSet unless persistentVolumeClaimRetentionPolicy says Delete: then deleting it, or
#   scaling it down, deletes the claims, and with most storage classes the volumes with them. A StatefulSet that was
#   only meant to be recreated comes back empty. This policy flags Delete for either event in a StatefulSet that is
#   created, checked or audited. pvc-retention-flip covers an update that turns Retain into Delete. An absent field
#   means Retain, and the API server writes that itself, so the webhook has nothing to add. Caches pass;
#   allow_when_scaled_delete is for workers whose data can be created again.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps]}
#   patches: fix
#   parameters:
#     allow_when_scaled_delete: {type: boolean, default: false, description: "Accept whenScaled: Delete."}
#   fix: "Leave persistentVolumeClaimRetentionPolicy out, or set both values to Retain."
#   why: a StatefulSet that is only recreated or scaled for a while comes back with empty volumes
package stategate.data_protection.pvc_retention_policy

import data.stategate.lib.retention

violation contains v if {
	some field, event in judged
	input.workload.retention[field] == "Delete"
	not kept_so_far(field)
	key := retention.key_of[field]
	v := {
		"msg": sprintf("%s: Delete lets go of the claims of %s when it %s: their disks are erased unless they are retained", [key, input.workload.name, event]),
		"path": ["spec", "persistentVolumeClaimRetentionPolicy", key],
		"fix": sprintf("Set persistentVolumeClaimRetentionPolicy.%s to Retain, or leave it out", [key]),
	}
}

patch contains p if {
	some field, _ in judged
	input.workload.retention[field] == "Delete"
	not kept_so_far(field)
	p := {
		"op": "replace",
		"path": ["spec", "persistentVolumeClaimRetentionPolicy", retention.key_of[field]],
		"value": "Retain",
	}
}

judged := {"when_deleted": "is deleted"} if {
	input.parameters.allow_when_scaled_delete
} else := {"when_deleted": "is deleted", "when_scaled": "is scaled down"}

kept_so_far(field) if input.old_workload.retention[field] == "Retain"
