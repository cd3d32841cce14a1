# METADATA
# title: Data store pods are replaced only in the declared window
# description: >-
#   A declared maintenance window is a promise to the users of the data store. A rollout of a changed pod template
#   restarts every member, so the change has to wait for the window. The window is the annotation
#   stategate.io/maintenance-window of the workload or, without one, of its Namespace, such as `Sat 01:00-05:00 UTC`,
#   `Mon-Fri 22:00-04:00 UTC` or `daily 02:00-04:00 UTC`; separate several with semicolons. Where none is declared,
#   everything passes. This policy checks updates of the pod template; replicas and the workload's own annotations may
#   change at any time. The window from before the update applies, so the same update cannot move it. A window that
#   cannot be parsed is never open. In an emergency, state the reason in
#   stategate.io/emergency, with at least ten characters.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   inventory: {Namespace: optional}
#   parameters:
#     exempt_users: {type: list, of: string, default: [], description: Users (globs) who may update at any time.}
#   fix: >-
#     Apply it in the window; in an emergency, annotate the workload with stategate.io/emergency: REASON in the same
#     change.
#   why: "restarts outside the window can interrupt users who rely on it"
package stategate.lifecycle.maintenance_window_enforced

import data.stategate.lib.globs
import data.stategate.lib.windows

key := "stategate.io/maintenance-window"

violation contains v if {
	declared := window
	input.review.object.spec.template != input.review.oldObject.spec.template
	what := fault(declared)
	not emergency
	not exempt
	v := {
		"msg": sprintf("this update restarts the pods of %s %s %s", [input.workload.kind, input.workload.name, what]),
		"path": input.workload.pods.path,
	}
}

window := input.old_workload.annotations[key] if {
	input.old_workload.annotations[key]
} else := input.related.namespace.annotations[key] if {
	input.related.namespace.annotations[key]
} else := input.workload.annotations[key]

fault(declared) := sprintf("outside its maintenance window, %s", [declared]) if {
	windows.readable(declared)
	not windows.open(declared)
}

fault(declared) := sprintf("but its maintenance window cannot be read: %s", [declared]) if not windows.readable(declared)

emergency if {
	reason := input.workload.annotations["stategate.io/emergency"]
	count(trim_space(reason)) >= 10
}

exempt if globs.matches_any(input.parameters.exempt_users, input.review.userInfo.username)
