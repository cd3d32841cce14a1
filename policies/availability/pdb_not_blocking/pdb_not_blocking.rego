# METADATA
# title: A disruption budget allows at least one eviction
# description: >-
#   A budget that allows no eviction does not protect the data; it blocks node drains. Upgrades hang until someone
#   deletes pods by hand, without any budget, or until the platform runs out of patience and deletes them all. This
#   policy checks a budget when it is submitted, counting the pods of all workloads that it selects, and a workload
#   under a budget when it is submitted or scaled: 5 replicas scaled to 3 leave minAvailable: 3 nothing to evict. If
#   the budget and the workload are checked together, the finding is reported on the budget. Percentages are rounded
#   up, as the API does: 90% of 3 pods is all of them. A budget that sets neither number allows no eviction at all.
#   Single replicas are exempt, because there a budget can only block or have no effect; so are budgets that an
#   operator manages. Budgets of stateless workloads are not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PodDisruptionBudget.policy, StatefulSet.apps, Deployment.apps], subresources: ["", scale]}
#   inventory: {PodDisruptionBudget.policy: bundle, StatefulSet.apps: bundle, Deployment.apps: bundle}
#   patches: fix
#   parameters:
#     min_replicas: {type: integer, default: 2, description: "A budget over fewer pods than this is not checked."}
#   fix: "Set maxUnavailable: 1 in the PodDisruptionBudget, in place of its current minAvailable or maxUnavailable."
#   why: "upgrades hang until someone deletes pods by hand, or the platform deletes them all without any budget"
package stategate.availability.pdb_not_blocking

import data.stategate.lib.budgets

violation contains v if {
	blocks
	budget := input.workload.disruption_budget
	v := {
		"msg": sprintf(
			"PodDisruptionBudget %s (%s) lets none of the %d pods of %s be evicted: node drains hang",
			[input.workload.name, budgets.text(budget), budgets.selected, concat(", ", durable)],
		),
		"path": array.concat(budget.path, [budgets.field(budget)]),
		"fix": sprintf("Write %s into its spec", [budgets.remedy(budget)]),
	}
}

# The fix for a budget that blocks does not depend on the number of pods.
patch contains p if {
	blocks
	some p in budgets.operations(input.workload.disruption_budget)
}

violation contains v if {
	some budget in input.related.pdbs
	not budget.owner
	not budget.reviewed # reported on the budget itself
	input.workload.replicas > 0
	pods := budgets.counted(budget)
	pods >= input.parameters.min_replicas
	budgets.allowed(budget, pods) <= 0
	v := {
		"msg": sprintf(
			"PodDisruptionBudget %s (%s) lets none of the %d pods of %s %s%s be evicted: node drains hang",
			[budget.name, budgets.text(budget), pods, input.workload.kind, input.workload.name, others(budget)],
		),
		"path": ["spec", "replicas"],
		"key": budget.name,
		"fix": sprintf("Write %s into PodDisruptionBudget %s", [budgets.remedy(budget), budget.name]),
	}
}

others(budget) := " and other workloads" if {
	budget.min_available
	budget.workloads > 1
} else := ""

# The budget under review.
blocks if {
	count(durable) > 0
	budgets.selected >= input.parameters.min_replicas
	budgets.allowed(input.workload.disruption_budget, budgets.selected) <= 0
}

durable := [workload.name | some workload in input.related.workloads; workload.class == "durable"]
