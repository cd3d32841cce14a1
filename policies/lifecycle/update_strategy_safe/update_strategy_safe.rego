# METADATA
# title: Updates replace members one at a time, and replace all of them
# description: >-
#   While two members of a data store restart together, a third that fails takes the majority, or the last copy, with
#   it. And an update that stops halfway by configuration leaves members on two versions unnoticed. This policy flags
#   maxUnavailable of more than one pod where a known engine runs with more than one replica; OnDelete, which replaces
#   no pod until someone deletes it (Vault requires it: on_delete_engines; operators delete the pods themselves); and
#   a partition at creation, or in a file checked without its previous version, which keeps the members below it on
#   the old version. A partition set by an update is a staged rollout in progress, and passes. The strategy of a
#   Deployment is checked by another policy.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#update-strategies
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#partitions
# - ref: https://developer.hashicorp.com/vault/docs/platform/k8s/helm/run#upgrading-vault-on-kubernetes
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     on_delete_engines:
#       type: list
#       of: string
#       default: [vault]
#       description: Engines whose pods are meant to be replaced by hand.
#   fix: "updateStrategy: {type: RollingUpdate}, without partition and maxUnavailable."
#   why: "an update can take the majority down with one more failure, or leave members on two versions"
package stategate.lifecycle.update_strategy_safe

violation contains v if {
	input.workload.update.type == "RollingUpdate"
	input.workload.replicas > 1
	input.workload.engine
	down := input.workload.update.unavailable_pods
	down > 1
	v := {
		"msg": sprintf(
			"an update of %s takes %d of %d members down at once",
			[input.workload.name, down, input.workload.replicas],
		),
		"path": ["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
		"fix": "Set maxUnavailable to 1, or leave it out",
	}
}

violation contains v if {
	input.workload.update.type == "OnDelete"
	not replaced_by_hand
	v := {
		"msg": sprintf("changes of %s reach no pod until somebody deletes it (OnDelete)", [input.workload.name]),
		"path": ["spec", "updateStrategy", "type"],
		"fix": "Set updateStrategy: {type: RollingUpdate}; changes that wait reach the pods then, one by one",
	}
}

violation contains v if {
	input.workload.update.type == "RollingUpdate"
	input.review.operation == "CREATE"
	partition := input.workload.update.partition
	partition > 0
	v := {
		"msg": sprintf(
			"partition %d keeps %s of %s on the old version at every update",
			[partition, kept(partition), input.workload.name],
		),
		"path": ["spec", "updateStrategy", "rollingUpdate", "partition"],
		"fix": "Leave partition out, or set it to 0; set it by an update when you stage one",
	}
}

replaced_by_hand if input.workload.engine.name in input.parameters.on_delete_engines

# An operator deletes the pods of its StatefulSets itself, in an order that it knows to be safe.
replaced_by_hand if input.workload.owner

kept(partition) := "all members" if {
	partition >= input.workload.replicas
} else := sprintf("%d members", [partition])
