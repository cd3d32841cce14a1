# METADATA
# title: Members hand over before they stop
# description: >-
#   Some data stores do not hand over when they get SIGTERM: RabbitMQ does not wait until its quorum queues have enough
#   other members, and Cassandra behind a shell as process 1 never sees the signal and replays its commit log. A preStop
#   hook does it for them, and the kubelet waits for it within the grace period.
#   Judged are StatefulSets of the engines in commands with more than one replica. A hook that only sleeps hands nothing
#   over. The hook runs within terminationGracePeriodSeconds: let that be longer than the hook may take. What else a
#   hook does cannot be seen. Set another command, or none, where the image does it by itself.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
# - ref: https://www.rabbitmq.com/docs/upgrade#maintenance-mode
# - ref: https://cassandra.apache.org/doc/latest/cassandra/managing/tools/nodetool/drain.html
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     commands:
#       type: map
#       of: string
#       default:
#         rabbitmq: "rabbitmq-upgrade await_online_quorum_plus_one -t 60; rabbitmq-upgrade drain -t 30"
#         cassandra: nodetool drain
#       description: Engines that need a hook, and what it should run.
#   fix: Add lifecycle.preStop to the data store's container, with the command that drains a member.
package stategate.lifecycle.prestop_hook

violation contains v if {
	input.workload.replicas > 1
	some container in input.workload.containers
	container.role == "main"
	command := input.parameters.commands[container.engine]
	not hands_over(container)
	v := {
		"msg": sprintf("container %s stops without handing over: it has no preStop hook that drains it", [container.name]),
		"path": container.path,
		"fix": sprintf("Add lifecycle: {preStop: {exec: {command: [sh, -c, '%s']}}} to container %s", [command, container.name]),
	}
}

hands_over(container) if {
	container.lifecycle.pre_stop in {"exec", "httpGet"}
}
