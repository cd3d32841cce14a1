# METADATA
# title: Confirmations are given when they are needed
# description: >-
#   A confirmation says that somebody has looked at this very object and means this very step. One that is in the
#   manifest from the start was written before there was anything to look at: it would wave the step through years
#   later, for whoever comes first.
#   Found is any annotation stategate.io/confirm-… on an object that is created, of the kinds whose changes ask for
#   one, and in a file that is checked without its previous version. Where changes come from Git, the confirmation is part of the change it confirms and is taken
#   out with the next one. A copy of a live object brings its confirmations along: remove them.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, PersistentVolumeClaim, PersistentVolume]
#     classes: [durable, cache, identity-only, batch]
#     operations: [CREATE]
#   patches: fix
#   fix: "Remove the annotations stategate.io/confirm-… from the manifest; give a confirmation right before the step it is for."
package stategate.governance.confirm_not_at_create

violation contains v if {
	some key, _ in input.workload.annotations
	startswith(key, "stategate.io/confirm-")
	v := {
		"msg": sprintf(
			"%s %s comes with %s: a confirmation from before the object exists confirms nothing",
			[input.workload.kind, input.workload.name, key],
		),
		"path": ["metadata", "annotations", key],
		"fix": sprintf("Remove the annotation %s; give it right before the step it is for", [key]),
	}
}

patch contains p if {
	some key, _ in input.workload.annotations
	startswith(key, "stategate.io/confirm-")
	p := {"op": "remove", "path": ["metadata", "annotations", key]}
}
