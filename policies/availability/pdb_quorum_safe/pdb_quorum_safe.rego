# METADATA
# title: A disruption budget keeps the quorum
# description: >-
#   A store that decides by majority stops writing, or stops answering at all, when half of its members are gone. A
#   budget that lets that many be evicted at once turns an ordinary node drain into an outage. This policy checks data
#   stores with a quorum (known by their image, or by stategate.io/quorum) and three members or more: the members that
#   the budget leaves must be a majority, also after the workload is scaled. If the budget and the workload are
#   checked together, the finding is reported on the budget. Not checked are budgets over several workloads, members
#   that have no vote (Kafka brokers, Elasticsearch data nodes), and stores such as Cassandra that replicate by a
#   replication factor.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/#think-about-how-your-application-reacts-to-disruptions
# - ref: https://etcd.io/docs/v3.5/faq/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PodDisruptionBudget.policy, StatefulSet.apps, Deployment.apps], subresources: ["", scale]}
#   inventory: {PodDisruptionBudget.policy: bundle, StatefulSet.apps: bundle, Deployment.apps: bundle}
#   patches: fix
#   fix: "Set maxUnavailable: 1 in the PodDisruptionBudget, in place of its current minAvailable or maxUnavailable."
#   why: "an ordinary node drain can then stop writes, or the whole store"
package stategate.availability.pdb_quorum_safe

import data.stategate.lib.budgets

violation contains v if {
	budget := input.workload.disruption_budget
	loss := lost
	v := {
		"msg": sprintf("PodDisruptionBudget %s (%s) %s", [input.workload.name, budgets.text(budget), loss]),
		"path": array.concat(budget.path, [budgets.field(budget)]),
		"fix": sprintf("Write %s into its spec", [budgets.remedy(budget)]),
	}
}

patch contains p if {
	lost
	some p in budgets.operations(input.workload.disruption_budget)
}

violation contains v if {
	some budget in input.related.pdbs
	not budget.owner
	not budget.reviewed # reported on the budget itself
	budgets.counted(budget) == input.workload.replicas # covers no other workload's pods
	loss := too_many(budget, input.workload)
	v := {
		"msg": sprintf("PodDisruptionBudget %s (%s) %s", [budget.name, budgets.text(budget), loss]),
		"path": ["spec", "replicas"],
		"key": budget.name,
		"fix": sprintf("Write %s into PodDisruptionBudget %s", [budgets.remedy(budget), budget.name]),
	}
}

# The quorum loss that the budget under review allows.
lost := loss if {
	count(input.related.workloads) == 1
	workload := input.related.workloads[0]
	workload.class == "durable"
	loss := too_many(input.workload.disruption_budget, workload)
}

too_many(budget, workload) := sprintf(
	"lets %d of the %d members of %s %s be evicted at once, but it needs a majority of %d",
	[evicted, members, workload.kind, workload.name, majority],
) if {
	workload.engine.votes
	members := workload.replicas
	members >= 3
	evicted := min([members, budgets.allowed(budget, members)])
	majority := floor(members / 2) + 1
	members - evicted < majority
}
