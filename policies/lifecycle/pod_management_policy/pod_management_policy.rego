# METADATA
# title: Members that wait for each other start together
# description: >-
#   With podManagementPolicy OrderedReady, the second pod is created only when the first is ready. A store whose
#   members become ready only with a majority then never comes back after all of them stopped, in a power cut or a
#   drain: the first pod waits for the second, and the second is not created. Brokers of Kafka that are their own
#   controllers wait in the same way: a broker does not start before the controllers have elected one of them. This
#   policy checks StatefulSets of the engines in parallel_engines whose members vote, with more than one replica and a
#   readiness probe that shows that it waits for the others: it asks for the leader, for the health of the cluster, or
#   for a port that the store opens only afterwards. Probes that a single member answers (etcd's /livez, NATS'
#   js-enabled-only, _cluster/health?local=true, rabbitmq-diagnostics ping, the port of a controller of Kafka) pass, and
#   so do scripts. OrderedReady is the default, so it also applies where the field is missing. The field cannot be
#   changed in place.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-management-policies
# - ref: https://github.com/rabbitmq/cluster-operator/discussions/1997
# - ref: https://github.com/strimzi/proposals/blob/main/044-kraft-liveness-readiness.md
#   description: Why a broker that is a controller as well is not ready before there is a quorum.
# - ref: https://github.com/cockroachdb/cockroach-operator/issues/470
# - ref: https://github.com/nats-io/k8s/issues/1040
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     parallel_engines:
#       type: list
#       of: string
#       default: [rabbitmq, etcd, consul, vault, nats, cockroach, elasticsearch, redpanda, kafka]
#       description: Engines whose members become ready only together.
#   fix: >-
#     Set podManagementPolicy: Parallel; if the StatefulSet exists, delete it with --cascade=orphan and apply it
#     again.
#   why: "after a power cut or a drain that stopped every member, the store may never become ready again"
package stategate.lifecycle.pod_management_policy

import data.stategate.lib.health_checks
import data.stategate.lib.members
import data.stategate.lib.statefulsets

violation contains v if {
	engine := input.workload.engine
	engine.name in input.parameters.parallel_engines
	input.workload.pod_management == "OrderedReady"
	input.workload.replicas > 1
	members.votes
	some container in input.workload.containers
	container.name == engine.container
	waits(engine.name, container, container.readiness)
	v := {
		"msg": sprintf(
			"after a full stop the first pod of %s waits for the others, which are not made before it is ready",
			[input.workload.name],
		),
		"path": ["spec", "podManagementPolicy"],
		"fix": fix,
	}
}

# Whether a member alone does not become ready.
waits(engine, _, probe) if {
	not answered_alone(concat(" ", object.get(probe, "command", [])))
	health_checks.asks_cluster(probe, texts[engine])
}

waits(engine, _, probe) if {
	path := probe.http_path
	some text in paths[engine]
	contains(path, text)
	not answered_alone(path)
}

# It listens once it has started, for which a member that restarts waits for its peers.
waits("rabbitmq", _, probe) if probe.kind in {"tcpSocket", "httpGet"}

# So does a broker, which starts once the controllers have elected one of them; a controller listens before that.
waits("kafka", container, probe) if {
	combined(container)
	probe.kind == "tcpSocket"
	port := probe.port
	not of_the_controller(container, port)
}

waits("kafka", container, probe) if {
	combined(container)
	regex.match(`kafka-(broker-api-versions|topics|configs)`, concat(" ", probe.command))
}

combined(container) if {
	some variable in container.env
	endswith(lower(variable.name), "process_roles")
	contains(variable.value, "controller")
	contains(variable.value, "broker")
}

of_the_controller(_, port) if port == 9093

of_the_controller(container, port) if {
	some declared in container.ports
	declared.port == port
	contains(declared.name, "controller")
}

answered_alone(text) if regex.match(`js-enabled|serializable=true|local=true|standbyok|standbycode`, text)

texts := {
	"cockroach": ["ready=1"],
	"consul": ["v1/status/leader"],
	"elasticsearch": ["_cluster/health"],
	"etcd": ["endpoint health", "/health", "/readyz"],
	"nats": ["/healthz"],
	"rabbitmq": ["check_running", "check_port", "await_startup", "node_health_check"],
	"redpanda": ["cluster health"],
}

paths := {
	"cockroach": ["ready=1"],
	"consul": ["/v1/status/leader"],
	"elasticsearch": ["_cluster/health"],
	"etcd": ["/health", "/readyz"],
	"nats": ["/healthz"],
	"vault": ["/v1/sys/health"],
}

# The field cannot be changed.
fix := sprintf("%s, then apply it with podManagementPolicy: Parallel", [statefulsets.orphan]) if {
	input.review.operation == "UPDATE"
} else := sprintf("Set podManagementPolicy: Parallel; if the StatefulSet exists: %s, and apply it again", [statefulsets.orphan])
