# METADATA
# title: Liveness is not a copy of readiness
# description: >-
#   A data store is not ready whenever it is busy, catches up or waits for a peer. If liveness asks the same question
#   with the same patience, every such moment becomes a restart, and the restart makes it busier.
#   Two probes ask the same if they run the same command, or get the same path, port or service; a port's name counts
#   as its number. A tcpSocket asks as little as can be asked, and may be asked twice. The same question is fine where liveness waits longer: slack times as long as readiness.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], classes: [durable, cache]}
#   parameters:
#     slack:
#       type: number
#       default: 3
#       description: How many times as patient as readiness a liveness probe with the same question must be.
#   fix: Let liveness ask less than readiness, or raise its failureThreshold.
package stategate.health.probe_liveness_readiness_distinct

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	liveness := container.liveness
	readiness := container.readiness
	same_question(liveness, readiness)
	wanted := readiness.budget_seconds * input.parameters.slack
	liveness.budget_seconds < wanted
	v := {
		"msg": sprintf(
			"liveness and readiness of container %s ask the same: after %d s of not being ready it is restarted",
			[container.name, liveness.budget_seconds],
		),
		"path": liveness.path,
		"fix": sprintf(
			"Let the livenessProbe of %s ask less (tcpSocket), or set its failureThreshold to %d or more",
			[container.name, ceil(wanted / liveness.period)],
		),
	}
}

same_question(a, b) if {
	a.kind != "tcpSocket"
	a.handler == b.handler
}

same_question(a, b) if {
	a.kind == "httpGet"
	b.kind == "httpGet"
	a.port == b.port
	a.http_path == b.http_path
	object.get(a, "host", "") == object.get(b, "host", "")
}
