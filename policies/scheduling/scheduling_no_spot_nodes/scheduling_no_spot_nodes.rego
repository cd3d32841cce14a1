# METADATA
# title: Data stores do not run on spot nodes
# description: >-
#   A cloud provider reclaims spot nodes within two minutes or less, and when it needs capacity it reclaims many at
#   once: a quorum, or a primary together with its standby. No disruption budget stops that. This policy checks
#   whether the pods request spot nodes (nodeSelector, required node affinity) or tolerate their taint while nothing
#   keeps the pods off those nodes. A toleration of every taint counts too, unless the cluster's nodes are known and
#   none of them carries the label key of a spot label. Spot nodes without a taint cannot be recognised from a
#   manifest, and preferred node affinity is not checked. Workloads declared as caches (stategate.io/data-durability)
#   are exempt, and so is what keeps no data of its own, such as the driver of a storage.
# related_resources:
# - ref: https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms
# - ref: https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
# - ref: https://learn.microsoft.com/en-us/azure/aks/spot-node-pool
# - ref: https://karpenter.sh/docs/concepts/scheduling/
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {Node: optional}
#   parameters:
#     spot_labels:
#       type: list
#       of: string
#       default:
#       - cloud.google.com/gke-spot=true
#       - cloud.google.com/gke-preemptible=true
#       - cloud.google.com/gke-provisioning=spot
#       - eks.amazonaws.com/capacityType=SPOT
#       - karpenter.sh/capacity-type=spot
#       - kubernetes.azure.com/scalesetpriority=spot
#       description: Labels of spot nodes, also used as their taints (key=value).
#   fix: Remove spot nodes from nodeSelector, node affinity and tolerations, and require nodes that are not reclaimed.
#   why: "no disruption budget stops a reclaim, which can take the quorum, or a primary with its standby, at once"
package stategate.scheduling.scheduling_no_spot_nodes

import data.stategate.lib.kept_data

# Requested by a label.
violation contains v if {
	some label in input.parameters.spot_labels
	[key, value] := split(label, "=")
	place := asked_for(key, value)
	kept_data.kept
	v := {
		"msg": sprintf(
			"%s %s asks for spot nodes (%s): the cloud takes them back at short notice, several at once",
			[input.workload.kind, input.workload.name, label],
		),
		"path": place,
		"fix": sprintf("Remove %s from what the pods ask of their node", [label]),
	}
}

# Tolerated, and nothing keeps the pods off. A request for spot nodes needs the toleration too: that is one fault.
violation contains v if {
	some i, toleration in input.workload.scheduling.tolerations
	object.get(toleration, "effect", "") in {"", "NoSchedule"}
	taint := tolerated(toleration)
	not kept_off
	not asked_outright
	kept_data.kept
	v := {
		"msg": sprintf(
			"%s %s may run on spot nodes, since it tolerates %s: the cloud takes them back at short notice",
			[input.workload.kind, input.workload.name, taint],
		),
		"path": array.concat(input.workload.pods.spec_path, ["tolerations", i]),
		"fix": sprintf("Remove the toleration, or require nodes that stay by node affinity: %s", [staying(taint)]),
	}
}

# The expression that keeps the pods off spot nodes.
staying(taint) := sprintf("{key: %s, operator: NotIn, values: [\"%s\"]}", [key, value]) if {
	[key, value] := split(taint, "=")
} else := sprintf("operator NotIn on the label of your cloud's spot nodes (%s)", [examples])

examples := concat(" or ", input.parameters.spot_labels)

asked_outright if {
	some label in input.parameters.spot_labels
	[key, value] := split(label, "=")
	asked_for(key, value)
}

asked_for(key, value) := array.concat(input.workload.pods.spec_path, ["nodeSelector", key]) if {
	input.workload.scheduling.node_selector[key] == value
} else := first if {
	paths := [term.path |
		some term in input.workload.scheduling.node_affinity
		some expression in term.expressions
		expression.key == key
		wants(expression, value)
	]
	first := paths[0]
}

wants(expression, value) if {
	expression.operator == "In"
	value in expression.values
}

# The label is either true or absent.
wants(expression, "true") if expression.operator == "Exists"

tolerated(toleration) := first if {
	labels := [label |
		some label in input.parameters.spot_labels
		[key, value] := split(label, "=")
		object.get(toleration, "key", "") == key
		accepts(toleration, value)
	]
	first := labels[0]
} else := "every taint" if {
	object.get(toleration, "key", "") == ""
	object.get(toleration, "operator", "Equal") == "Exists"
	not no_spot_node_here
}

accepts(toleration, _) if toleration.operator == "Exists"

accepts(toleration, value) if {
	object.get(toleration, "operator", "Equal") == "Equal"
	toleration.value == value
}

no_spot_node_here if {
	labels := input.related.nodes.label_keys
	every label in input.parameters.spot_labels {
		key := split(label, "=")[0]
		not key in labels
	}
}

# Every term must exclude them, since terms are combined with OR.
kept_off if {
	count(input.workload.scheduling.node_affinity) > 0
	every term in input.workload.scheduling.node_affinity {
		excludes_spot(term)
	}
}

kept_off if {
	some label in input.parameters.spot_labels
	[key, value] := split(label, "=")
	input.workload.scheduling.node_selector[key] != value
}

excludes_spot(term) if {
	some expression in term.expressions
	some label in input.parameters.spot_labels
	[key, value] := split(label, "=")
	expression.key == key
	rules_out(expression, value)
}

rules_out(expression, value) if {
	expression.operator == "In"
	values := expression.values
	not value in values
}

rules_out(expression, value) if {
	expression.operator == "NotIn"
	value in expression.values
}

rules_out(expression, _) if expression.operator == "DoesNotExist"
