# METADATA
# title: Confirmations are added when they are needed, not at creation
# description: >-
#   A confirmation states that someone has looked at this very object and intends this very step. One that is in the
#   manifest from the start was written before there was anything to look at: it would let the step through years
#   later, for anyone. This policy flags any annotation stategate.io/confirm-… on an object that is created, of the
#   kinds whose changes need confirmation, and in a file that is checked without its previous version. Where changes
#   come from Git, the confirmation is part of the change it confirms and is removed with the next one. A copy of a
#   live object carries its confirmations along: remove them.
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
#   audited: false
#   fix: >-
#     Remove the annotations stategate.io/confirm-… from the manifest; add a confirmation right before the step it is
#     for.
#   why: "it would let the step through years later, for anyone, although nobody has looked at the object"
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
