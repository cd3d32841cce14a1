# METADATA
# title: Main containers have a readiness probe
# description: >-
#   Without a readiness probe, a pod counts as ready as soon as its process runs: clients reach a data store that is
#   still replaying its log, and a rolling update takes the next replica down before this one is back. This policy
#   checks containers that run a data store; where none is known, the first that writes to a lasting volume and declares
#   ports, in StatefulSets of several replicas, since it may be a store that the table lacks. An application with a
#   claim loses a few requests without a probe, but no data, so it passes: any linter says so. So does a single Redis
#   without a lasting volume, which has nothing to recover. Beside it, other containers are helpers; they pass, and so do init containers, sidecars and the containers named in
#   exclude_containers. Whether the probe tests the right thing is not visible, but one that runs mongo, which MongoDB's
#   images from 6.0 on do not have, never succeeds.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/
# - ref: https://github.com/rabbitmq/rabbitmq-cli/issues/426
#   description: A check that needs a fully started broker keeps pods that start one after the other from starting.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], classes: [durable, cache]}
#   parameters:
#     exclude_containers:
#       type: list
#       of: string
#       default: [istio-proxy, linkerd-proxy, "*exporter", "*reloader"]
#       description: Containers (globs) that need no readiness probe.
#   fix: Add a readinessProbe that queries the data store itself, such as its own ping command.
#   why: "without a readiness probe a pod counts as ready as soon as its process runs"
package stategate.health.probe_readiness_required

import data.stategate.lib.engines
import data.stategate.lib.globs
import data.stategate.lib.health_checks
import data.stategate.lib.kept_data
import data.stategate.lib.versions

violation contains v if {
	excluded := input.parameters.exclude_containers
	some container in input.workload.containers
	container.role == "main"
	serves(container)
	not container.readiness
	not globs.matches_any(excluded, container.name)
	v := {
		"msg": sprintf("container %s has no readinessProbe: %s, and updates do not wait for it", [container.name, reached(container)]),
		"path": container.path,
		"fix": sprintf("Add a readinessProbe, such as %s", [example(container)]),
	}
}

# A probe that can never succeed.
violation contains v if {
	some container in input.workload.containers
	probe := container.readiness
	program := health_checks.gone(container, probe)
	v := {
		"msg": sprintf(
			"readinessProbe of container %s runs %s: the pod is never ready",
			[container.name, program],
		),
		"path": probe.path,
		"fix": health_checks.instead(container, probe),
	}
}

serves(container) if {
	container.engine != ""
	not disposable(container)
}

# A store that the table lacks: its next member goes down before this one is back.
serves(container) if {
	count(container.ports) > 0
	not engines.helper(container)
	input.workload.kind == "StatefulSet"
	input.workload.replicas > 1
	kept_data.kept
}

# One cache that starts empty has nothing to recover, and no other one waits for it.
disposable(container) if {
	container.engine == "redis"
	input.workload.replicas < 2
	not kept_data.stores(container)
}

# Older clients do not read the variable.
login(container) := "add -a \"$PASSWORD\"" if {
	container.name == input.workload.engine.container
	versions.shows_version(input.workload)
	release := input.workload.engine.release
	versions.below(release, "5.0.3")
} else := "set REDISCLI_AUTH"

# --requirepass $(REDIS_PASSWORD): a variable of the container, which its probes have, too.
password_variable(container) := [variable.name |
	said := concat(" ", array.concat(container.command, container.args))
	some found in regex.find_all_string_submatch_n(`--requirepass[ =]["']?\$(\([A-Za-z0-9_]+\)|\{[A-Za-z0-9_]+\}|[A-Za-z0-9_]+)`, said, 1)
	name := trim(found[1], "(){}")
	some variable in container.env
	variable.name == name
][0]

reached(container) := "clients reach it before it has recovered" if {
	count(container.ports) > 0
} else := "it counts as ready before it has recovered"

# A client that has to start, connect and query needs more than the default of one second. While it loads its data,
# Redis answers, but not with PONG.
example(container) := "{exec: {command: [pg_isready]}, timeoutSeconds: 5}" if {
	container.engine == "postgres"
} else := text if {
	container.engine == "redis"
	login(container) == "set REDISCLI_AUTH"
	text := sprintf(
		"{exec: {command: [sh, -c, 'REDISCLI_AUTH=\"$%s\" redis-cli ping | grep PONG']}, timeoutSeconds: 5}",
		[password_variable(container)],
	)
} else := text if {
	container.engine == "redis"
	text := sprintf("{exec: {command: [sh, -c, 'redis-cli ping | grep PONG']}, timeoutSeconds: 5}; for a password, %s", [login(container)])
} else := "{tcpSocket: {port: 25672}} (between nodes: 5672 opens only once the node has found the others)" if {
	health_checks.old_rabbitmq(container)
	input.workload.replicas > 1
	object.get(input.workload, "pod_management", "") != "Parallel"
} else := "{tcpSocket: {port: 5672}}" if {
	health_checks.old_rabbitmq(container)
} else := "{exec: {command: [rabbitmq-diagnostics, -q, check_running]}, timeoutSeconds: 15, periodSeconds: 30}" if {
	container.engine == "rabbitmq"
	input.workload.pod_management == "Parallel"
} else := text if {
	# A member that waits for its peers must count as ready, or one pod after the other never starts them.
	container.engine == "rabbitmq"
	text := "{exec: {command: [rabbitmq-diagnostics, -q, ping]}, timeoutSeconds: 15, periodSeconds: 30}"
} else := text if {
	text := health_checks.ready(container)
} else := text if {
	port := health_checks.port(container)
	text := sprintf("{tcpSocket: {port: %d}}", [port])
} else := health_checks.unported(container.engine)
