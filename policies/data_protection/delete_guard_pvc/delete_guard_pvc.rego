# METADATA
# title: Deleting a claim needs confirmation
# description: >-
#   Deleting a bound claim lets go of its volume, and with the usual reclaim policy Delete the disk is erased within
#   seconds. One wrong name, context or label selector is enough. So whoever deletes says first, on the claim itself,
#   which claim is meant: that is one command, it is in the audit log, and no script does it by accident.
#   A claim that is not bound has nothing to lose. Controllers that clean up after a Namespace or a workload are exempt
#   (it is the owner that is guarded); name the operators that delete claims when they scale down in exempt_users,
#   each with its namespace: whoever may make a ServiceAccount there is exempt, too.
#   Whether the volume would be retained, or a snapshot exists, is not looked at.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaiming
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolumeClaim], operations: [DELETE]}
#   terminating: true
#   ratchet: false
#   parameters:
#     exempt_users:
#       type: list
#       of: string
#       default:
#       - system:serviceaccount:kube-system:namespace-controller
#       - system:serviceaccount:kube-system:generic-garbage-collector
#       - system:serviceaccount:kube-system:persistent-volume-binder
#       - system:serviceaccount:kube-system:pvc-protection-controller
#       - system:serviceaccount:kube-system:pv-protection-controller
#       - system:serviceaccount:*:velero*
#       - system:serviceaccount:*:*csi*provisioner*
#       description: Users (globs) who delete without confirmation.
#     exempt_groups: {type: list, of: string, default: ["system:nodes"], description: Groups that delete without confirmation.}
#   fix: "kubectl annotate pvc NAME stategate.io/confirm-delete=NAME, then delete it again."
package stategate.data_protection.delete_guard_pvc

import data.stategate.lib.globs

confirmation := "stategate.io/confirm-delete"

deadline := "stategate.io/confirm-until"

violation contains v if {
	some claim in input.old_workload.claims
	bound(claim)
	not exempt
	why := doubt
	volume := object.get(claim, "volume_name", "")
	v := {
		"msg": sprintf("deleting claim %s lets go of its volume %s: %s", [claim.name, volume, why]),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf(
			"kubectl annotate pvc %s -n %s --overwrite %s=%s%s, then delete it again",
			[claim.name, input.old_workload.namespace, confirmation, claim.name, without_deadline],
		),
	}
}

bound(claim) if claim.phase == "Bound"

# A volume is named but the status does not say so yet. A claim that is Lost has no volume any more.
bound(claim) if {
	claim.volume_name
	object.get(claim, "phase", "Pending") == "Pending"
}

# What is missing for the delete to be meant; undefined if nothing is.
doubt := "nobody has confirmed that its data may go" if {
	not confirmed_name
} else := sprintf("the confirmation names %s", [confirmed_name]) if {
	confirmed_name != input.old_workload.name
} else := "the confirmation has run out, or its time is not of the form 2026-01-31T12:00:00Z" if {
	until := input.old_workload.annotations[deadline]
	not to_come(until)
}

confirmed_name := input.old_workload.annotations[confirmation]

# In UTC, times of this form are in the order of their letters: no need to parse what somebody typed.
to_come(until) if {
	regex.match(`^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z$`, until)
	until > input.now
}

# kubectl's way to take an annotation away.
without_deadline := sprintf(" %s-", [deadline]) if {
	input.old_workload.annotations[deadline]
} else := ""

exempt if globs.matches_any(input.parameters.exempt_users, input.review.userInfo.username)

exempt if {
	some group in input.review.userInfo.groups
	group in input.parameters.exempt_groups
}
