# METADATA
# title: Deleting a claim requires confirmation
# description: >-
#   Deleting a bound claim releases its volume, and with the usual reclaim policy Delete the disk is erased within
#   seconds. One wrong name, context or label selector is enough. So the person who deletes first confirms, on the
#   claim itself, which claim is meant: that is one command, it is in the audit log, and no script does it by
#   accident. A claim that is not bound has nothing to lose. Controllers that clean up after a Namespace or a
#   workload are exempt; add the operators that delete claims when they scale down to exempt_users, each with its
#   namespace: anyone who may create a ServiceAccount there is exempt, too. The policy does not check whether the
#   volume would be retained or whether a snapshot exists.
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
#       - system:serviceaccount:velero:*
#       - system:serviceaccount:openshift-adp:velero
#       description: Users (globs) who delete without confirmation.
#     exempt_groups: {type: list, of: string, default: ["system:nodes"], description: Groups that delete without confirmation.}
#   fix: "kubectl annotate pvc NAME --overwrite stategate.io/confirm-delete=NAME, then delete it again."
#   why: with reclaim policy Delete, the usual one, the disk is erased within seconds
package stategate.data_protection.delete_guard_pvc

import data.stategate.lib.confirm
import data.stategate.lib.globs

confirmation := "stategate.io/confirm-delete"

violation contains v if {
	some claim in input.old_workload.claims
	bound(claim)
	not exempt
	why := confirm.missing(input.old_workload, confirmation, input.old_workload.name)
	v := {
		"msg": sprintf("deleting claim %s lets go of %s: %s", [claim.name, volume(claim), why]),
		"path": ["metadata", "annotations", confirmation],
		"fix": sprintf(
			"%s, then delete it again",
			[confirm.command("pvc", input.old_workload, confirmation, input.old_workload.name)],
		),
	}
}

volume(claim) := sprintf("its volume %s", [claim.volume_name]) if {
	claim.volume_name
} else := "its volume"

bound(claim) if claim.phase == "Bound"

# A volume is named, whatever the status says of it. Only a claim that is Lost has lost its volume.
bound(claim) if {
	claim.volume_name
	object.get(claim, "phase", "Pending") != "Lost"
}

exempt if globs.matches_any(input.parameters.exempt_users, input.review.userInfo.username)

exempt if {
	some group in input.review.userInfo.groups
	group in input.parameters.exempt_groups
}
