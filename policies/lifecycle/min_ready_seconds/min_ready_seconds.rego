# METADATA
# title: A member is up for a while before the next one restarts
# description: >-
#   With minReadySeconds 0 a rolling update takes the next member down in the second this one first answers, before it
#   has caught up, and a new version that crashes after some seconds gets through all members.
#   Judged are StatefulSets with more than one replica that roll out by themselves. The webhook adds the value where it
#   is 0: the API server does not store a 0, so it is the same as absent. The value can be changed at any time.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#minimum-ready-seconds
# custom:
#   severity: low
#   action: audit
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     min: {type: integer, default: 10, description: "Seconds that are enough, and that are added."}
#   fix: Set minReadySeconds in the StatefulSet's spec to the time that a member needs to catch up.
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

# Never changes what somebody wrote.
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
