# METADATA
# title: Members that are catching up are not evicted
# description: >-
#   With AlwaysAllow, a pod that is not ready may be evicted whatever the budget says. That is right for web servers
#   in a crash loop. A quorum member is not ready while it catches up: when the quorum is lost, a drain may still
#   evict the very members that are coming back, and the outage starts over. This policy checks budgets of data stores
#   with a quorum. Without the field, and with IfHealthyBudget, such members are evicted only while enough others are
#   healthy.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [PodDisruptionBudget.policy]}
#   inventory: {StatefulSet.apps: bundle, Deployment.apps: bundle}
#   patches: fix
#   fix: Remove unhealthyPodEvictionPolicy, or set it to IfHealthyBudget.
#   why: "a drain can evict the very members that are coming back, and the outage starts over"
package stategate.availability.pdb_unhealthy_eviction_policy

violation contains v if {
	evicts_members
	v := {
		"msg": sprintf(
			"PodDisruptionBudget %s lets members of %s be evicted while they catch up: a lost quorum stays lost",
			[input.workload.name, concat(", ", stores)],
		),
		"path": path,
	}
}

patch contains p if {
	evicts_members
	p := {"op": "replace", "path": path, "value": "IfHealthyBudget"}
}

evicts_members if {
	input.workload.disruption_budget.unhealthy_pod_eviction_policy == "AlwaysAllow"
	count(stores) > 0
}

stores := [workload.name |
	some workload in input.related.workloads
	workload.class == "durable"
	workload.engine.quorum
]

path := array.concat(input.workload.disruption_budget.path, ["unhealthyPodEvictionPolicy"])
