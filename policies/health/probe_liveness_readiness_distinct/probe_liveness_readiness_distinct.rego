# METADATA
# title: Liveness is not a copy of readiness
# description: >-
#   A data store is not ready whenever it is busy, catching up or waiting for a peer. If liveness runs the same check
#   with the same patience, every such moment becomes a restart, and the restart makes the store busier. Two probes
#   run the same check if they run the same command, or use the same path, port or service; a port's name counts as
#   its number. A tcpSocket or a search for the process checks as little as possible and may be used for both, and so
#   may the store's own ping (pg_isready, mysqladmin ping, redis-cli ping, ping of MongoDB, ruok of ZooKeeper): it fails
#   only while nothing answers. That it also fails during recovery is told by probe-startup-budget. The
#   same check is fine where liveness waits longer: slack times as long as readiness. This policy checks containers
#   that run a data store; a check that depends on other members is left to probe-liveness-no-dependency.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
# - ref: https://zookeeper.apache.org/doc/current/zookeeperAdmin.html#sc_zkCommands
#   description: What ruok tells.
# - ref: https://redis.io/docs/latest/develop/tools/cli/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], classes: [durable, cache]}
#   parameters:
#     slack:
#       type: number
#       default: 3
#       description: How many times as long as readiness a liveness probe with the same check must wait.
#   fix: Make the livenessProbe check less than the readinessProbe, or raise its failureThreshold.
#   why: "being busy or waiting for a peer then becomes a restart, and the restart makes the store busier"
package stategate.health.probe_liveness_readiness_distinct

import data.stategate.lib.engines
import data.stategate.lib.health_checks

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	engines.of(container)
	health_checks.copies_readiness(container, input.parameters.slack)
	liveness := container.liveness
	not health_checks.depends_on_others(liveness)
	wanted := container.readiness.budget_seconds * input.parameters.slack
	v := {
		"msg": sprintf(
			"liveness and readiness of container %s ask the same: after %d s of not being ready it is restarted",
			[container.name, liveness.budget_seconds],
		),
		"path": liveness.path,
		"fix": sprintf(
			"Let the livenessProbe ask less (%s), or set its failureThreshold to %d or more",
			[less(container), ceil(wanted / liveness.period)],
		),
	}
}

less(container) := "/liveness of Patroni" if {
	health_checks.patroni(container)
} else := "tcpSocket"
