# METADATA
# title: A data store's memory request equals its limit
# description: >-
#   A container that uses more memory than it requested is among the first that a node under memory pressure evicts,
#   and on an overcommitted node the kernel kills a process of its own choice. A data store fills the memory it may
#   use, so it always uses more than a smaller request, and pays for a kill with a recovery and an outage. This policy
#   checks containers that run a known engine and write to a volume that lasts: a store that keeps nothing (a cache,
#   Vault's development mode) only starts again. Engines in exempt_engines mostly keep their data in a bucket, and
#   ClickHouse Keeper has only metadata. A missing request or limit is reported by resources-requests-required; a limit
#   alone is fine, since the API server sets the request to it. With require_cpu, CPU is checked in the same way, for
#   the quality of service class Guaranteed. A VerticalPodAutoscaler sets requests again: the fix names it. Nothing is
#   patched: a larger request may fit no node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
# - ref: https://cloudnative-pg.io/documentation/current/resource_management/
# - ref: https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/api.md
# custom:
#   severity: high
#   action: warn
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]
#   inventory: {VerticalPodAutoscaler.autoscaling.k8s.io: optional}
#   parameters:
#     require_cpu:
#       type: boolean
#       default: false
#       description: Require CPU request and limit to be equal too (class Guaranteed).
#     exempt_engines:
#       type: list
#       of: string
#       default: [loki, tempo]
#       description: Data stores for which a kill costs little.
#   fix: Set requests.memory of the data store's container to its limits.memory.
#   why: "a data store fills the memory it may use, and under pressure Guaranteed pods are spared longest"
package stategate.capacity.resources_memory_guaranteed

import data.stategate.lib.data_dirs

violation contains v if {
	exempt_engines := input.parameters.exempt_engines
	some container in input.workload.containers
	engine := container.engine
	engine != ""
	not engine in exempt_engines
	container.role == "main"
	keeps(container)
	some resource in judged
	wanted := container.limits[resource]
	reserved := container.requests[resource]
	reserved != wanted
	v := {
		"msg": sprintf(
			"container %s may use more %s than it reserves: %s",
			[container.name, resource, consequence[resource]],
		),
		"path": array.concat(container.path, ["resources", "requests", resource]),
		"fix": sprintf("Set its requests.%s to its limits.%s%s", [resource, resource, vertical]),
	}
}

# It sets the requests of each new pod. Which resources it leaves alone is not known.
vertical := text if {
	scaler := [one |
		some one in input.related.autoscalers
		one.kind == "VerticalPodAutoscaler"
		one.mode != "Off"
	][0]
	text := sprintf(
		", and let VerticalPodAutoscaler %s leave it alone, lest it sets another one (%s in its containerPolicies)",
		[scaler.name, left_alone],
	)
} else := ""

left_alone := "mode: \"Off\"" if {
	input.parameters.require_cpu
} else := "controlledResources: [cpu]"

keeps(container) if {
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
	not input.workload.engine.volatile
	not input.workload.engine.evicts
	not only_metadata(container)
}

only_metadata(container) if endswith(container.image.repository, "clickhouse-keeper")

judged := ["memory", "cpu"] if {
	input.parameters.require_cpu
} else := ["memory"]

consequence := {
	"memory": "when the node runs short it is evicted or killed first",
	"cpu": "its pod is not of the class Guaranteed",
}
