# METADATA
# title: Members hand over before they stop
# description: >-
#   Some data stores do not hand over on SIGTERM: RabbitMQ does not wait until its quorum queues have enough other
#   members, and Cassandra behind a shell as process 1 never sees the signal and replays its commit log. A preStop
#   hook does this for them, and the kubelet waits for the hook. This policy checks StatefulSets of the engines in
#   commands with more than one replica. A sleep hook hands nothing over. The hook runs within
#   terminationGracePeriodSeconds, which must be longer than the hook may take. What an exec or httpGet hook does is
#   not checked. Configure another command, or none, where the image hands over by itself.
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
#       description: Engines that need a hook, and the command it should run.
#   fix: Add lifecycle.preStop to the data store's container, with the command that drains a member.
#   why: "SIGTERM alone can cost queues their majority, or force a log replay at the next start"
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
	not only_waits(container)
}

# A program that sleeps is the handler `sleep` in other words.
only_waits(container) if {
	container.lifecycle.pre_stop == "exec"
	handler := object.get(input.review.object, array.concat(container.path, ["lifecycle", "preStop"]), {})
	text := concat(" ", handler.exec.command)
	regex.match(`^(/?[a-z/]*(ba|da|a)?sh -c )?(/?[a-z/]*/)?sleep [0-9.]+[smh]?;?$`, trim_space(text))
}
