# METADATA
# title: A data store has enough time to shut down
# description: >-
#   After the grace period the kubelet kills what is still running. A data store that is killed while it flushes has to
#   recover from its log at the next start, which takes longer than the flush would have, and hands over no leadership.
#   How long is enough depends on the engine (min_seconds); for all others only periods shorter than min_seconds_other
#   are flagged. Zero on pods with volumes is more than too short: see termination-grace-not-zero. The API server fills
#   in 30 seconds, so a missing value counts as 30, and the webhook changes nothing: it could not distinguish that
#   default from a decision. Pods that run to completion (restartPolicy Never or OnFailure) pass, and so do stores that
#   are told to keep everything in memory, or whose only member has its data in the pod: nothing is left to recover
#   there, as the policies on volumes tell.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
# - ref: https://www.postgresql.org/docs/current/server-shutdown.html
# - ref: https://www.rabbitmq.com/docs/upgrade
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, Pod]}
#   patches: fix
#   parameters:
#     min_seconds:
#       type: map
#       of: integer
#       default:
#         postgres: 60
#         mysql: 60
#         mongodb: 60
#         redis: 30
#         kafka: 120
#         redpanda: 90
#         zookeeper: 30
#         etcd: 30
#         elasticsearch: 120
#         rabbitmq: 120
#         cassandra: 120
#         scylla: 120
#         cockroach: 300
#         clickhouse: 60
#         nats: 60
#         minio: 30
#         consul: 30
#         vault: 30
#         influxdb: 60
#         prometheus: 60
#       description: Seconds that a shutdown needs, by engine.
#     min_seconds_other:
#       type: integer
#       default: 10
#       description: Seconds for workloads whose engine is not in min_seconds.
#   fix: Set terminationGracePeriodSeconds in the pod's spec to what a shutdown under load takes.
#   why: "being killed while it flushes is a power cut for the store, at every rollout, drain or eviction"
package stategate.lifecycle.termination_grace_period

import data.stategate.lib.grace
import data.stategate.lib.kept_data

violation contains v if {
	given := too_short
	not grace.forced
	not input.workload.engine.volatile
	not nothing_to_flush
	v := {
		"msg": sprintf(
			"%s has %d seconds to shut down and may need %d: then it is killed %s",
			[who, given, needed, outcome],
		),
		"path": path,
		"fix": sprintf("Set terminationGracePeriodSeconds: %d in the pod's spec", [needed]),
	}
}

patch contains p if {
	too_short
	not nothing_to_flush
	p := {"op": "add", "path": path, "value": needed}
}

too_short := given if {
	given := input.workload.termination_grace_seconds
	given < needed
}

# Its data goes with the pod, and no other member waits for it.
nothing_to_flush if {
	object.get(input.workload, "replicas", 1) == 1
	kept_data.goes_with_the_pod
}

# Whoever wants the files comes with kubectl exec: the program itself writes nothing.
nothing_to_flush if {
	running := [container | some container in input.workload.containers; container.role != "init"]
	count(running) > 0
	every container in running {
		idles(container)
	}
}

idles(container) if {
	regex.match(idling, concat(" ", array.concat(container.command, container.args)))
}

idling := concat("", [
	`^(((/usr)?/bin/)?(ba|a|da)?sh -[a-z]*c )?(exec )?((/usr)?/bin/)?`,
	`(sleep ([0-9]+[smhd]?|inf(inity)?)|tail -f /dev/null)$`,
])

outcome := "and recovers from its log" if {
	input.workload.engine
} else := "in the middle of what it writes"

path := array.concat(input.workload.pods.spec_path, ["terminationGracePeriodSeconds"])

needed := seconds if {
	seconds := input.parameters.min_seconds[input.workload.engine.name]
} else := input.parameters.min_seconds_other

who := input.workload.engine.name if {
	input.workload.engine
} else := sprintf("%s %s", [input.workload.kind, input.workload.name])
