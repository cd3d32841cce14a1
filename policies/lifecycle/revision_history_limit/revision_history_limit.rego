# METADATA
# title: A previous revision is kept to roll back to
# description: >-
#   `kubectl rollout undo` needs the previous revision. With revisionHistoryLimit 0 none is kept; 1 keeps the previous
#   one. A missing value counts as 10, the API server's default.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#revision-history
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#clean-up-policy
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps]}
#   patches: fix
#   parameters:
#     min: {type: integer, default: 1, description: The fewest revisions that pass.}
#   fix: Leave revisionHistoryLimit out, or set it to at least 1.
#   why: "`kubectl rollout undo` cannot restore a revision that has been deleted"
package stategate.lifecycle.revision_history_limit

violation contains v if {
	limit := input.workload.revision_history
	limit < input.parameters.min
	v := {
		"msg": sprintf(
			"revisionHistoryLimit %d of %s %s leaves %s",
			[limit, input.workload.kind, input.workload.name, rest(limit)],
		),
		"path": ["spec", "revisionHistoryLimit"],
		"fix": sprintf("Leave revisionHistoryLimit out, or set it to at least %d", [input.parameters.min]),
	}
}

rest(0) := "no revision to roll back to"

rest(limit) := sprintf("fewer revisions to roll back to than the %d that are wanted", [input.parameters.min]) if limit > 0

# Raises it only to the minimum; a higher number is a choice for the owner.
patch contains p if {
	input.workload.revision_history < input.parameters.min
	p := {"op": "replace", "path": ["spec", "revisionHistoryLimit"], "value": input.parameters.min}
}
