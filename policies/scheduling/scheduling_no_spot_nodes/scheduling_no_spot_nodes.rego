# METADATA
# title: Data does not run on spot nodes
# description: >-
#   A cloud takes spot nodes back within two minutes or less, and when it needs capacity it takes many at once: a
#   quorum, or a primary together with its standby. No budget stops that.
#   Judged is whether the pods ask for spot nodes (nodeSelector, required node affinity) or tolerate their taint while
#   nothing keeps them off. A toleration of every taint counts, too, unless the cluster's nodes are known and none of
#   them carries a label of spot nodes. Spot nodes that carry no taint cannot be told from a manifest, and preferred
#   node affinity is not judged. Caches that say so (stategate.io/data-durability) are left alone.
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
#       description: Labels of spot nodes, which are their taints, too (key=value).
#   fix: >-
#     Take spot nodes out of nodeSelector, node affinity and tolerations, and ask for nodes that stay.
package stategate.scheduling.scheduling_no_spot_nodes

# Asked for by a label.
violation contains v if {
	some label in input.parameters.spot_labels
	[key, value] := split(label, "=")
	place := asked_for(key, value)
	v := {
		"msg": sprintf(
			"%s %s asks for spot nodes (%s): the cloud takes them back at short notice, several at once",
			[input.workload.kind, input.workload.name, label],
		),
		"path": place,
		"fix": sprintf("Remove %s from what the pods ask of their node", [label]),
	}
}

# Tolerated, and nothing keeps the pods off. Who asks for spot nodes must tolerate them, too: that is one fault.
violation contains v if {
	some i, toleration in input.workload.scheduling.tolerations
	object.get(toleration, "effect", "") in {"", "NoSchedule"}
	taint := tolerated(toleration)
	not kept_off
	not asked_outright
	v := {
		"msg": sprintf(
			"%s %s may run on spot nodes, since it tolerates %s: the cloud takes them back at short notice",
			[input.workload.kind, input.workload.name, taint],
		),
		"path": array.concat(input.workload.pods.spec_path, ["tolerations", i]),
		"fix": "Remove the toleration, or require nodes that stay by node affinity on the same label (operator NotIn)",
	}
}

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

# A label that is either true or missing.
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

# Each of the terms must: between them is an OR.
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
