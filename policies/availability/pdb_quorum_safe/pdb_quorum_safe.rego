# METADATA
# title: A disruption budget keeps the quorum
# description: >-
#   A store that decides by majority stops to write, or to answer at all, when half of its members are gone. A budget
#   that lets so many be evicted at once turns an ordinary drain of nodes into an outage.
#   Judged are data stores with a quorum (by their image, or stategate.io/quorum) with three members or more: what the
#   budget leaves must be a majority, also after the workload is scaled. Of a budget and a workload that are checked
#   together the budget is at fault. Of a budget over several workloads, of members that have no vote (brokers of
#   Kafka, data nodes of Elasticsearch), and of Cassandra and others that replicate by a factor, nothing is said here.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/#think-about-how-your-application-reacts-to-disruptions
# - ref: https://etcd.io/docs/v3.5/faq/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PodDisruptionBudget.policy, StatefulSet.apps, Deployment.apps], subresources: ["", scale]}
#   inventory: {PodDisruptionBudget.policy: bundle, StatefulSet.apps: bundle, Deployment.apps: bundle}
#   patches: fix
#   fix: "Write maxUnavailable: 1 into the PodDisruptionBudget in place of what it says."
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
	not budget.judged # then it is told there
	budgets.counted(budget) == input.workload.replicas # nobody else's pods
	loss := too_many(budget, input.workload)
	v := {
		"msg": sprintf("PodDisruptionBudget %s (%s) %s", [budget.name, budgets.text(budget), loss]),
		"path": ["spec", "replicas"],
		"key": budget.name,
		"fix": sprintf("Write %s into PodDisruptionBudget %s", [budgets.remedy(budget), budget.name]),
	}
}

# What the budget under review lets happen.
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
