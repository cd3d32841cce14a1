# METADATA
# title: Pods of data stores are only replaced in the declared window
# description: >-
#   Who declares a maintenance window has promised it to somebody. A changed pod template restarts every member, so it
#   waits for the window.
#   The window is the annotation stategate.io/maintenance-window of the workload, else of its Namespace, such as
#   `Sat 01:00-05:00 UTC`, `Mon-Fri 22:00-04:00 UTC` or `daily 02:00-04:00 UTC`; several are separated by semicolons.
#   Where none is declared, everything passes. Judged is an update of the pod template; replicas and annotations may
#   change at any time. The workload's window is the one from before the update, so that nobody moves it in passing.
#   One that cannot be read is never open. In an emergency say why: stategate.io/emergency, ten characters at least.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   inventory: {Namespace: optional}
#   parameters:
#     exempt_users: {type: list, of: string, default: [], description: Users (globs) who update at any time.}
#   fix: "Apply it in the window; in an emergency annotate the workload stategate.io/emergency: REASON in the same change."
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
} else := input.workload.annotations[key] if {
	input.workload.annotations[key]
} else := input.related.namespace.annotations[key]

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
