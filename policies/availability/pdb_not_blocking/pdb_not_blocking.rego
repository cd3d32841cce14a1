# METADATA
# title: A disruption budget lets at least one pod be evicted
# description: >-
#   A budget that allows no eviction does not protect the data, it stops the node's drain: upgrades hang until
#   somebody deletes pods by hand, without any budget, or the platform's patience ends and it ends them all.
#   Judged is the budget when it comes, with the pods of all workloads that it selects, and a workload under a budget
#   when it comes or is scaled: 5 replicas scaled to 3 leave minAvailable: 3 nothing to evict. Of a budget and a
#   workload that are checked together the budget is at fault. Percentages are rounded up, as the API does: 90% of 3
#   pods is all of them. A budget that says neither number allows no eviction at all. A single replica is left alone,
#   since there a budget can only block or say nothing; so are budgets that an operator keeps. Budgets of stateless
#   workloads are nobody's business here.
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
#     min_replicas: {type: integer, default: 2, description: "Fewer pods than this are left alone, whatever their budget."}
#   fix: "Write maxUnavailable: 1 into the PodDisruptionBudget in place of what it says."
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

# How a budget that blocks is set right does not depend on how many pods there are.
patch contains p if {
	blocks
	some p in budgets.operations(input.workload.disruption_budget)
}

violation contains v if {
	some budget in input.related.pdbs
	not budget.owner
	not budget.judged # then it is told there
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
