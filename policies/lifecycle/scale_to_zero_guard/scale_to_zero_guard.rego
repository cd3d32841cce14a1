# METADATA
# title: Scaling to zero needs confirmation
# description: >-
#   A data store without replicas is an outage for everything that uses it, and one wrong context or a stray value in
#   a chart is enough to cause it. An intended scale to zero is therefore confirmed first, on the workload: which
#   workload, and from how many replicas. This policy checks updates that take the replicas to zero, whether by an
#   edit or by `kubectl scale`. If a StatefulSet deletes the claims of pods that are scaled away (whenScaled: Delete), the
#   refusal says which claims go, and if the data is in the pods themselves, that it goes with them. Creating a workload with zero replicas passes. Name tools that scale to zero on a
#   schedule in exempt_users, each with its namespace. For the scale subresource, the annotation is read from the
#   workload itself.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/scale-stateful-set/
# - ref: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_scale/
# custom:
#   severity: critical
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps]
#     operations: [UPDATE]
#     subresources: ["", scale]
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
#       description: Users (globs) who may scale to zero without confirmation.
#   fix: "kubectl annotate KIND NAME --overwrite stategate.io/confirm-scale='OLD->0', then scale it again."
#   why: "one wrong context or stray chart value is enough to take down everything that uses it"
package stategate.lifecycle.scale_to_zero_guard

import data.stategate.lib.confirm
import data.stategate.lib.dumps
import data.stategate.lib.globs
import data.stategate.lib.pod_data
import data.stategate.lib.stakes

confirmation := "stategate.io/confirm-scale"

violation contains v if {
	before := input.old_workload.replicas
	before > 0
	input.workload.replicas == 0
	step := sprintf("%d->0", [before])
	why := confirm.missing(input.workload, confirmation, step)
	not exempt
	v := {
		"msg": sprintf(
			"scaling %s %s from %d to 0 stops it for everybody: %s%s",
			[input.workload.kind, input.workload.name, before, why, loss],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf(
			"%s%s, then scale it again",
			[instead, confirm.command(lower(input.workload.kind), input.workload, confirmation, step)],
		),
	}
}

deletes_claims if {
	input.workload.retention.when_scaled == "Delete"
	some claim in input.workload.claims
	claim.origin == "template"
}

loss := sprintf("; it deletes %s (whenScaled: Delete): %s", [stakes.claims_in_words(claims), stakes.list(claims)]) if {
	deletes_claims
	claims := [claim | some claim in input.related.pvcs; claim.template; stakes.bound(claim)]
	count(claims) > 0
} else := "; the claims of its pods are deleted (whenScaled: Delete)" if {
	deletes_claims
	not input.related.pvcs
} else := sprintf("; its data is lost with them, since it is in %s of its pods", [pod_data.places]) if {
	pod_data.places
} else := ""

instead := sprintf(
	"To keep the claims first: kubectl patch statefulset %s -n %s --type=merge -p '%s'; to scale it all the same: ",
	[
		input.workload.name, input.workload.namespace,
		`{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Retain"}}}`,
	],
) if {
	deletes_claims
	loss != ""
} else := sprintf("First save the data (%s); to scale it all the same: ", [dumps.save]) if {
	pod_data.places
} else := ""

exempt if globs.matches_any(input.parameters.exempt_users, input.review.userInfo.username)
