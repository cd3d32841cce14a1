# METADATA
# title: A disruption budget covers the workload
# description: >-
#   Node drains consult disruption budgets before they evict pods. Without a budget, a node upgrade or an autoscaler
#   that consolidates nodes may evict all replicas at once. This policy checks workloads with two replicas or more that
#   keep data (not only logs, caches or the files of a web server). The budget is usually applied after its workload, so
#   at admission this only warns; among the manifests of one run the budget must be present. A budget that selects the
#   workload's labels plus the role of a member, which Patroni and operators set at run time, counts: a second budget
#   would block evictions of that role. If a document of the run cannot be read that may be the budget, nothing is found;
#   neither is it where workload-rwo-rollout-deadlock asks for one replica.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
# custom:
#   severity: high
#   action: deny
#   atAdmission: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {PodDisruptionBudget.policy: bundle, PersistentVolumeClaim: optional}
#   parameters:
#     min_replicas: {type: integer, default: 2, description: Workloads with fewer replicas are not checked.}
#     role_labels:
#       type: list
#       of: string
#       default: [role, spilo-role, cnpg.io/instanceRole, postgres-operator.crunchydata.com/role, patroni.io/role]
#       description: Labels that members receive at run time.
#   fix: "Add a PodDisruptionBudget with maxUnavailable: 1 and the workload's own selector."
#   why: "node upgrades and autoscalers evict a pod unless a disruption budget refuses"
package stategate.availability.pdb_present

import data.stategate.lib.kept_data
import data.stategate.lib.known_claims

violation contains v if {
	input.workload.replicas >= input.parameters.min_replicas
	kept_data.kept
	count(input.related.pdbs) == 0
	not covers_a_role
	not may_be_there
	not known_claims.too_many_pods
	v := {
		"msg": sprintf(
			"no PodDisruptionBudget selects the pods of %s %s: draining nodes may evict all %d at once",
			[input.workload.kind, input.workload.name, input.workload.replicas],
		),
		"path": [],
		"fix": remedy,
		"may_arrive": "a PodDisruptionBudget",
	}
}

may_be_there if input.related.counterpart_unseen

# Apart from the roles, the budget selects the labels of the pods.
covers_a_role if {
	some budget in input.related.other_pdbs
	wanted := object.get(budget.selector, "matchLabels", {})
	count(object.get(budget.selector, "matchExpressions", [])) == 0
	some role in input.parameters.role_labels
	wanted[role]
	own := object.remove(wanted, input.parameters.role_labels)
	count(own) > 0
	every key, value in own {
		input.workload.pods.labels[key] == value
	}
}

remedy := sprintf(
	"kubectl create poddisruptionbudget %s --namespace=%s --selector=%s --max-unavailable=1",
	[input.workload.name, input.workload.namespace, labels],
) if {
	count(input.workload.pods.selector.matchLabels) > 0
	labels := concat(",", [sprintf("%s=%s", [key, value]) | some key, value in input.workload.pods.selector.matchLabels])
} else := "Add a PodDisruptionBudget with maxUnavailable: 1 and the workload's own selector"
