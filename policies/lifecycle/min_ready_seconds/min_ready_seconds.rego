# METADATA
# title: A member stays ready for a while before the next one restarts
# description: >-
#   With minReadySeconds 0, a rolling update takes the next member down the moment this one first answers, before it
#   has caught up, and a new version that crashes after some seconds reaches all members. This policy checks
#   StatefulSets with more than one replica whose updates roll out automatically (RollingUpdate). The webhook adds the
#   value where it is 0: the API server does not store a 0, so it is the same as absent. The value can be changed at
#   any time.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#minimum-ready-seconds
# custom:
#   severity: low
#   action: audit
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     min:
#       type: integer
#       default: 10
#       description: The fewest seconds that pass, and the value that the webhook adds.
#   fix: Set minReadySeconds in the StatefulSet's spec to the time that a member needs to catch up.
#   why: "a version that crashes some seconds after its start can reach every member"
package stategate.lifecycle.min_ready_seconds

violation contains v if {
	too_short
	v := {
		"msg": sprintf(
			"minReadySeconds %d of %s lets the next member restart before this one has caught up",
			[input.workload.min_ready_seconds, input.workload.name],
		),
		"path": ["spec", "minReadySeconds"],
		"fix": sprintf("Set minReadySeconds: %d", [input.parameters.min]),
	}
}

# Leaves a value that was set explicitly.
patch contains p if {
	too_short
	input.workload.min_ready_seconds == 0
	p := {"op": "add", "path": ["spec", "minReadySeconds"], "value": input.parameters.min}
}

too_short if {
	input.workload.replicas > 1
	input.workload.update.type == "RollingUpdate"
	input.workload.min_ready_seconds < input.parameters.min
}
