# METADATA
# title: Pods are not pinned to one node
# description: >-
#   A workload whose pods may run on only one node is down for as long as that node is, whatever replicas, copies or
#   budgets it has; and the node cannot be replaced without an outage. This policy checks nodeName, nodeSelector and
#   required node affinity of data stores, StatefulSets and what runs several replicas: they must admit at least
#   as many named nodes as there are replicas, and never only one. A single pod of an application may be on its node for
#   the sake of a device or a network, and starts again on another once its manifest says so. Preferred node affinity pins nothing. Local volumes need no pin in the pod: the
#   PersistentVolume's own node affinity brings the pod to its data.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#local
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     allowed_nodes:
#       type: list
#       of: string
#       default: []
#       description: Nodes (globs) that workloads may be pinned to.
#   fix: Select nodes by a label that several of them carry, such as the label of a node pool, instead of by name.
#   why: "when a named node fails or is drained, there is no spare node that its pods may move to"
package stategate.scheduling.scheduling_no_node_pin

import data.stategate.lib.globs

violation contains v if {
	nodes := input.workload.scheduling.hostnames
	count(nodes) > 0
	needs_to_move
	too_few(nodes)
	not allowed(nodes)
	v := {
		"msg": sprintf("%s %s may only run on %s", [input.workload.kind, input.workload.name, consequence(nodes)]),
		"path": place,
		"fix": sprintf("%s %s; choose nodes by a label that several of them carry", [order, culprit]),
	}
}

needs_to_move if input.workload.engine

needs_to_move if input.workload.kind == "StatefulSet"

needs_to_move if input.workload.replicas > 1

order := "Its hostPath data is on that node only: move the data to a claim first, then remove" if {
	some volume in input.workload.volumes
	volume.source == "hostPath"
} else := "Remove"

too_few(nodes) if count(nodes) == 1

too_few(nodes) if count(nodes) < input.workload.replicas

allowed(nodes) if {
	every node in nodes {
		globs.matches_any(input.parameters.allowed_nodes, node)
	}
}

consequence(nodes) := sprintf("node %s: while that node is down or replaced, so is all of it", [nodes[0]]) if {
	count(nodes) == 1
} else := sprintf(
	"the nodes %s: its %d replicas share them, and none can move when one fails",
	[concat(", ", nodes), input.workload.replicas],
)

culprit := "nodeName" if {
	input.workload.scheduling.node_name
} else := "kubernetes.io/hostname from nodeSelector" if {
	selected_by_name
} else := "the node names from affinity.nodeAffinity"

place := array.concat(input.workload.pods.spec_path, ["nodeName"]) if {
	input.workload.scheduling.node_name
} else := array.concat(input.workload.pods.spec_path, ["nodeSelector"]) if {
	selected_by_name
} else := input.workload.scheduling.node_affinity[0].path

selected_by_name if input.workload.scheduling.node_selector["kubernetes.io/hostname"]
