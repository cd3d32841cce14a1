# METADATA
# title: An update does not turn on the deletion of a StatefulSet's claims
# description: >-
#   With whenDeleted or whenScaled set to Delete, Kubernetes deletes the pods' claims with the StatefulSet or with
#   the pods that are scaled away, and with most storage classes the volumes are erased at once. If it is turned on
#   for a StatefulSet that has data, the next `kubectl delete --cascade=foreground`, renamed chart or scale-down
#   loses that data. This policy checks the step from Retain to Delete in an update. pvc-retention-policy covers a
#   StatefulSet that is created with Delete or already had it. Caches pass. Files are compared with their previous
#   version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
# - ref: https://kubernetes.io/docs/tasks/run-application/delete-stateful-set/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Keep persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}; delete unneeded claims by
#     hand.
#   why: a delete or scale-down that was safe until now would cost the data
package stategate.data_protection.pvc_retention_flip

import data.stategate.lib.retention

violation contains v if {
	some field, event in {"when_deleted": "is deleted", "when_scaled": "is scaled down"}
	input.old_workload.retention[field] == "Retain"
	input.workload.retention[field] == "Delete"
	key := retention.key_of[field]
	v := {
		"msg": sprintf(
			"%s: Delete lets go of the claims of %s, kept so far, when it %s: their disks are erased unless they are retained",
			[key, input.workload.name, event],
		),
		"path": ["spec", "persistentVolumeClaimRetentionPolicy", key],
		"fix": sprintf("Set persistentVolumeClaimRetentionPolicy.%s back to Retain", [key]),
	}
}
