# METADATA
# title: Data stores have a liveness probe that can succeed
# description: >-
#   A liveness probe that never succeeds restarts the store over and over: one that runs mongo, which MongoDB's images
#   from 6.0 on do not have. Without any, a process that hangs still counts as running, until someone notices. But a
#   database seldom hangs, a probe that is too strict kills one that recovers, and the one that never does, an open port,
#   notices little more than that the process has gone, which the kubelet sees anyway. So a missing probe is told of
#   only with judge_missing, as in the profile regulated. Engines in exclude_engines are exempt there, too: their
#   vendors ship no liveness probe, because a restart there does more harm than good. Give the probe time with a
#   startupProbe (probe-startup-budget), and let it check nothing but the process (probe-liveness-no-dependency).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://github.com/elastic/cloud-on-k8s/issues/2513
# - ref: https://patroni.readthedocs.io/en/latest/rest_api.html
# - ref: https://github.com/rabbitmq/cluster-operator/pull/1776
# - ref: https://github.com/gardener/etcd-druid/pull/1361
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     judge_missing: {type: boolean, default: false, description: Also tell of containers without a liveness probe.}
#     exclude_engines:
#       type: list
#       of: string
#       default: [elasticsearch, rabbitmq, etcd, consul, vault]
#       description: Data stores that need no liveness probe.
#     exclude_containers:
#       type: list
#       of: string
#       default: []
#       description: Containers (globs) that need no liveness probe.
#   fix: Add a livenessProbe that checks the process itself, and a startupProbe that leaves it time to recover.
#   why: "a probe that cannot succeed restarts a healthy store, and a hung process without one counts as running"
package stategate.health.probe_liveness_required

import data.stategate.lib.engines
import data.stategate.lib.globs
import data.stategate.lib.health_checks

violation contains v if {
	input.parameters.judge_missing
	engines_left_alone := input.parameters.exclude_engines
	containers_left_alone := input.parameters.exclude_containers
	some container in input.workload.containers
	container.role == "main"
	engine := engines.of(container)
	not container.liveness
	not engine in engines_left_alone
	name := container.name
	not globs.matches_any(containers_left_alone, name)
	v := {
		"msg": sprintf("container %s has no livenessProbe: when %s hangs, nothing restarts it", [name, engine]),
		"path": container.path,
		"fix": sprintf(
			"Add a livenessProbe, such as %s, and a startupProbe that leaves it time %s",
			[example(container), purpose(container)],
		),
	}
}

# A probe that can never succeed.
violation contains v if {
	some container in input.workload.containers
	some kind in ["startup", "liveness"]
	probe := container[kind]
	program := health_checks.gone(container, probe)
	v := {
		"msg": sprintf(
			"%sProbe of container %s runs %s: the container is restarted over and over",
			[kind, container.name, program],
		),
		"path": probe.path,
		"fix": health_checks.instead(container, probe),
	}
}

# PostgreSQL is down while Patroni copies it anew, which takes as long as it takes.
example(container) := "httpGet: {path: /liveness, port: 8008} (before Patroni 2.1, tcpSocket: {port: 8008})" if {
	health_checks.patroni(container)
} else := sprintf(
	"tcpSocket: {port: %d} (between nodes: the CQL port opens only once it has joined)",
	[health_checks.port_between_nodes(container)],
) if {
	container.engine in {"cassandra", "scylla"}
} else := text if {
	port := health_checks.port(container)
	text := sprintf("tcpSocket: {port: %d}", [port])
} else := health_checks.unported(engines.of(container))

purpose(container) := "for a state transfer (the port opens only after it)" if {
	health_checks.galera(container)
} else := "to recover"
