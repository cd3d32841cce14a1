# METADATA
# title: Probes allow enough time to answer
# description: >-
#   A data store under load answers late. The default of one second for a command that starts a client, connects and
#   queries is soon too short: pods drop out of their Service and return, or are restarted, just when load is highest.
#   For containers that run a data store, this policy flags a command's timeout that is too short, a liveness probe that
#   gives up too soon, and a readiness probe that runs too seldom or waits so long for each answer that clients reach a
#   store that hangs for minutes. A timeout above the period alone is patience: probes never overlap. A liveness probe
#   that passes through pauses is never too impatient: the kernel accepts the connection of a tcpSocket while the
#   process pauses, and pgrep finds it. Whether a probe leaves time to start is checked by probe-startup-budget, and a
#   liveness probe that is a copy of readiness by probe-liveness-readiness-distinct.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], classes: [durable, cache]}
#   parameters:
#     min_exec_timeout: {type: duration, default: 2s, description: The shortest timeout allowed for a command.}
#     min_liveness_budget:
#       type: duration
#       default: 20s
#       description: The shortest time that a data store may fail its probe before it is restarted.
#     max_readiness_period:
#       type: duration
#       default: 60s
#       description: The longest time allowed between two readiness checks.
#     max_hang:
#       type: duration
#       default: 300s
#       description: The longest time that clients may reach a store whose readiness command hangs.
#   fix: Set timeoutSeconds, periodSeconds and failureThreshold so that a busy data store still answers in time.
#   why: "under load, healthy pods lose traffic or get restarted, or hung ones are noticed too late"
package stategate.health.probe_timing_sane

import data.stategate.lib.engines
import data.stategate.lib.health_checks

# One cause and one fix, whichever probes of the container have it.
violation contains v if {
	some container in {entry[0] | some entry in hasty}
	own := [entry | some entry in hasty; entry[0] == container]
	probe := own[0][2]
	shortest := min([entry[2].timeout | some entry in own])
	v := {
		"msg": sprintf(
			"%s of container %s: the command has %d s to answer, and fails whenever the node is busy",
			[concat(" and ", [sprintf("%sProbe", [entry[1]]) | some entry in own]), container, shortest],
		),
		"path": array.concat(probe.path, ["timeoutSeconds"]),
		"key": sprintf("%s timeoutSeconds", [container]),
		"fix": sprintf("Set timeoutSeconds to %d or more%s", [input.parameters.min_exec_timeout, in_each(own)]),
	}
}

# Probes whose command has too little time.
hasty := [entry |
	some entry in probes
	entry[2].kind == "exec"
	entry[2].timeout < input.parameters.min_exec_timeout
]

in_each(own) := " in each of them" if {
	count(own) > 1
} else := ""

# A try that hangs takes the whole timeout, and the next one begins only then.
violation contains v if {
	some [container, "readiness", probe] in probes
	probe.timeout > probe.period
	hang := probe.timeout * probe.failure_threshold
	hang > input.parameters.max_hang
	v := {
		"msg": sprintf(
			"readinessProbe of container %s waits %d s for each of %d tries: so long clients reach a replica that hangs",
			[container, probe.timeout, probe.failure_threshold],
		),
		"path": array.concat(probe.path, ["timeoutSeconds"]),
		"fix": sprintf("Set timeoutSeconds to %d or less", [floor(input.parameters.max_hang / probe.failure_threshold)]),
	}
}

violation contains v if {
	some [container, "liveness", probe] in probes
	probe.budget_seconds < input.parameters.min_liveness_budget
	not health_checks.passes_through_pauses(probe)
	not container in copying
	v := {
		"msg": sprintf(
			"livenessProbe of container %s restarts it after %d s: a long checkpoint or pause is enough",
			[container, probe.budget_seconds],
		),
		"path": array.concat(probe.path, ["failureThreshold"]),
		"fix": sprintf(
			"Set failureThreshold to %d or more",
			[ceil(input.parameters.min_liveness_budget / probe.period)],
		),
	}
}

violation contains v if {
	some [container, "readiness", probe] in probes
	probe.period > input.parameters.max_readiness_period
	v := {
		"msg": sprintf(
			"readinessProbe of container %s looks every %d s: so long clients reach a replica that cannot serve",
			[container, probe.period],
		),
		"path": array.concat(probe.path, ["periodSeconds"]),
		"fix": sprintf("Set periodSeconds to %d or less", [input.parameters.max_readiness_period]),
	}
}

# Of these, probe-liveness-readiness-distinct asks for more.
copying := {container.name |
	some container in input.workload.containers
	health_checks.copies_readiness(container, 3)
}

probes := [[container.name, name, probe] |
	some container in input.workload.containers
	engines.of(container)
	some name in ["startup", "liveness", "readiness"]
	probe := container[name]
	not health_checks.gone(container, probe)
]
