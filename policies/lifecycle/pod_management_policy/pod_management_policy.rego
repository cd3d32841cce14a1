# METADATA
# title: Members that wait for each other start together
# description: >-
#   With podManagementPolicy OrderedReady, the second pod is created only when the first is ready. A store whose
#   members become ready only with a majority then never comes back after all of them stopped, in a power cut or a
#   drain: the first pod waits for the second, and the second is not created. This policy checks StatefulSets of the
#   engines in parallel_engines with more than one replica and a readiness probe on the store. OrderedReady is the
#   default, so it also applies where the field is missing. The field cannot be changed in place.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#pod-management-policies
# - ref: https://github.com/rabbitmq/cluster-operator/discussions/1997
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     parallel_engines:
#       type: list
#       of: string
#       default: [rabbitmq, etcd, consul, vault, nats, cockroach, elasticsearch, redpanda]
#       description: Engines whose members become ready only together.
#   fix: >-
#     Set podManagementPolicy: Parallel; if the StatefulSet exists, delete it with --cascade=orphan and apply it
#     again.
#   why: "after a power cut or a drain that stopped every member, the store may never become ready again"
package stategate.lifecycle.pod_management_policy

violation contains v if {
	engine := input.workload.engine
	engine.name in input.parameters.parallel_engines
	input.workload.pod_management == "OrderedReady"
	input.workload.replicas > 1
	some container in input.workload.containers
	container.name == engine.container
	container.readiness
	v := {
		"msg": sprintf(
			"after a full stop the first pod of %s waits for the others, which are not made before it is ready",
			[input.workload.name],
		),
		"path": ["spec", "podManagementPolicy"],
		"fix": fix,
	}
}

fix := text if {
	input.review.operation == "UPDATE" # the field cannot be changed
	text := sprintf(
		"kubectl delete statefulset %s -n %s --cascade=orphan, then apply it with podManagementPolicy: Parallel",
		[input.workload.name, input.workload.namespace],
	)
} else := "Set podManagementPolicy: Parallel"
