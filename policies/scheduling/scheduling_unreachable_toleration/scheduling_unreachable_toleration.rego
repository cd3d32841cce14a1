# METADATA
# title: Pods are removed from a lost node in time
# description: >-
#   When a node cannot be reached, Kubernetes waits five minutes and then deletes its pods. A pod that tolerates the
#   taint without limit is never deleted: the replica is missing until someone notices. A StatefulSet creates the new
#   pod only when the old one is known to be gone: when the node is back, removed, or tainted
#   node.kubernetes.io/out-of-service. This policy flags tolerations of node.kubernetes.io/unreachable, of
#   node.kubernetes.io/not-ready, and of every taint, that last longer than max_seconds. A
#   Deployment creates the new pod as soon as the old one is given up, although that may still run and write: one whose
#   pods mount a claim by name passes, since a longer wait keeps a second writer off. Where data is on local disks, no
#   other node can take the pod and waiting may be right: exempt the workload there.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
# - ref: https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     max_seconds:
#       type: duration
#       default: 300s
#       description: The longest time that a pod may stay bound to a lost node.
#   fix: Set tolerationSeconds to 300 or less, or remove the toleration.
#   why: "until the toleration runs out, the lost pod is not deleted and no replacement is created"
package stategate.scheduling.scheduling_unreachable_toleration

violation contains v if {
	some i, toleration in input.workload.scheduling.tolerations
	object.get(toleration, "effect", "") in {"", "NoExecute"}
	taint := lost_node(toleration)
	wait := too_long(toleration)
	not keeps_a_second_writer_off
	v := {
		"msg": sprintf(
			"%s %s tolerates %s %s: so long a pod on a lost node is not even given up, and none takes over",
			[input.workload.kind, input.workload.name, taint, wait],
		),
		"path": array.concat(input.workload.pods.spec_path, ["tolerations", i]),
		"fix": sprintf("Set tolerationSeconds to %d or less, or remove the toleration", [input.parameters.max_seconds]),
	}
}

# A Deployment replaces a pod that is given up at once, while the old one may still write to the claim that they share.
keeps_a_second_writer_off if {
	input.workload.kind == "Deployment"
	some claim in input.workload.claims
	claim.origin == "reference"
}

lost_node(toleration) := toleration.key if {
	toleration.key in {"node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"}
}

lost_node(toleration) := "every taint" if {
	object.get(toleration, "key", "") == ""
	object.get(toleration, "operator", "Equal") == "Exists"
}

too_long(toleration) := "without limit" if {
	object.get(toleration, "tolerationSeconds", null) == null
}

too_long(toleration) := sprintf("for %d s", [toleration.tolerationSeconds]) if {
	toleration.tolerationSeconds > input.parameters.max_seconds
}
