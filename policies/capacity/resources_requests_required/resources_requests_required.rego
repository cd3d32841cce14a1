# METADATA
# title: Data stores reserve CPU and memory, and memory has a limit
# description: >-
#   Without requests, the scheduler places a data store on a node that is already full, and the node evicts it first
#   when memory runs short. Without a memory limit, one bad query takes the node's memory from all its neighbours. This
#   policy checks the containers that run a data store, and where none is known the first main container of a
#   StatefulSet that keeps other data than logs and caches, since it may run a store that the table lacks; an
#   application with a claim starts again where there is room. Exempt are helpers named in
#   exclude_containers and pods that run to completion (restartPolicy Never or OnFailure), since nobody sizes a client
#   in an incident. A limit counts as a request, because the API server copies it into the pod's requests; a CPU limit
#   is not required, because it throttles. Values that a LimitRange of the namespace fills in count, if it is there
#   before the workload (pods that are made earlier get none), and so do resources of the pod as a whole (Kubernetes
#   1.34 and later). Measure the workload to find the right numbers.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
# - ref: https://kubernetes.io/docs/concepts/policy/limit-range/
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]
#     classes: [durable, cache]
#   inventory: {LimitRange: optional}
#   parameters:
#     require:
#       type: list
#       of: string
#       default: [requests.cpu, requests.memory, limits.memory]
#       description: What each container must set, out of requests.cpu, requests.memory, limits.cpu and limits.memory.
#     exclude_containers:
#       type: list
#       of: string
#       default: [istio-proxy, linkerd-proxy, "*exporter", "*reload*"]
#       description: Containers (globs) that are not checked.
#   fix: "Set resources in the container: requests {cpu, memory} to what it uses, limits {memory} to the same memory."
#   why: "it can land on a full node and be evicted first, and without a limit one query can take the whole node"
package stategate.capacity.resources_requests_required

import data.stategate.lib.engines
import data.stategate.lib.globs
import data.stategate.lib.kept_data

violation contains v if {
	excluded := input.parameters.exclude_containers
	some container in input.workload.containers
	container.role == "main"
	holds_data(container)
	missing := [wanted | some wanted in input.parameters.require; not has(container, wanted)]
	count(missing) > 0
	not globs.matches_any(excluded, container.name)
	v := {
		"msg": sprintf(
			"container %s has no %s: it may be put where there is no room, or take the room of others",
			[container.name, concat(", ", missing)],
		),
		"path": container.path,
		"fix": sprintf("Set its resources.%s to what it uses when busy", [concat(", resources.", missing)]),
	}
}

# Beside a data store, other containers are helpers.
holds_data(container) if container.engine != ""

holds_data(container) if {
	container.engine == ""
	not engines.helper(container)
	input.workload.kind == "StatefulSet"
	kept_data.kept
}

has(container, "requests.cpu") if container.requests.cpu

has(container, "requests.cpu") if container.limits.cpu

has(container, "requests.memory") if container.requests.memory

has(container, "requests.memory") if container.limits.memory

has(container, "limits.cpu") if container.limits.cpu

has(container, "limits.memory") if container.limits.memory

has(_, wanted) if wanted in filled_in

# Set on the pod as a whole. A limit counts as a request there too.
filled_in contains wanted if {
	some list in ["requests", "limits"]
	some resource, _ in input.workload.pods[list]
	wanted := sprintf("requests.%s", [resource])
}

filled_in contains wanted if {
	some resource, _ in input.workload.pods.limits
	wanted := sprintf("limits.%s", [resource])
}

# Set by a LimitRange of the namespace. Its default limit is also the default request.
filled_in contains wanted if {
	some range in input.related.limit_ranges
	some amounts in [object.get(range, "default_requests", {}), object.get(range, "default_limits", {})]
	some resource, _ in amounts
	wanted := sprintf("requests.%s", [resource])
}

filled_in contains wanted if {
	some range in input.related.limit_ranges
	some resource, _ in range.default_limits
	wanted := sprintf("limits.%s", [resource])
}
