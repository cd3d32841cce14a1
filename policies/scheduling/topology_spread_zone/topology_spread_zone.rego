# METADATA
# title: Replicas are spread across zones
# description: >-
#   In a cloud, a zone fails as a whole. Replicas that all happen to be in one zone are lost together, along with the
#   disks that are bound to it. Where there is no constraint at all, the webhook adds one that never blocks
#   scheduling. Note that a pod with constraints of its own no longer gets the scheduler's default constraints. In a
#   cluster with one zone, set single_zone_cluster; nodes are not counted here. A zone rule that selects other pods by
#   mistake is reported by anti-affinity-selector-matches-self instead.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
# - ref: https://kubernetes.io/docs/setup/best-practices/multiple-zones/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     min_replicas: {type: integer, default: 3, description: Workloads with fewer replicas are not checked.}
#     max_skew: {type: integer, default: 1, description: The largest maxSkew that counts as spread.}
#     require_do_not_schedule:
#       type: boolean
#       default: false
#       description: Count only rules that the scheduler must obey.
#     single_zone_cluster:
#       type: boolean
#       default: false
#       description: The cluster has one zone, so nothing is required.
#   fix: >-
#     Add topologySpreadConstraints to the pod's spec, with topologyKey topology.kubernetes.io/zone, maxSkew 1 and the
#     labelSelector of the workload itself.
#   why: "a zone fails as a whole, and the disks that are bound to it fail with it"
package stategate.scheduling.topology_spread_zone

import data.stategate.lib.placement

zone := "topology.kubernetes.io/zone"

violation contains v if {
	asked_for
	not spread_over_zones
	not mistaken
	v := {
		"msg": sprintf(
			"all %d replicas of %s %s may share a zone and fail with it",
			[input.workload.replicas, input.workload.kind, input.workload.name],
		),
		"path": input.workload.pods.spec_path,
		"fix": sprintf(
			"Add topologySpreadConstraints: topologyKey %s, maxSkew 1, whenUnsatisfiable %s, labelSelector of its own pods",
			[zone, strength],
		),
	}
}

# Leaves existing constraints unchanged.
patch contains p if {
	asked_for
	not spread_over_zones
	count(input.workload.scheduling.spread) == 0
	own_pods := input.workload.pods.selector
	constraint := {"maxSkew": 1, "topologyKey": zone, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": own_pods}
	p := {
		"op": "add",
		"path": array.concat(input.workload.pods.spec_path, ["topologySpreadConstraints"]),
		"value": [constraint],
	}
}

asked_for if {
	not input.parameters.single_zone_cluster
	input.workload.replicas >= input.parameters.min_replicas
}

spread_over_zones if {
	some spread in input.workload.scheduling.spread
	spread.matches_self
	spread.topology_key == zone
	spread.max_skew <= input.parameters.max_skew
	binding_enough(spread.when_unsatisfiable == "DoNotSchedule")
}

spread_over_zones if {
	some term in input.workload.scheduling.anti_affinity
	term.matches_self
	term.topology_key == zone
	binding_enough(term.required)
}

mistaken if {
	some rule in array.concat(input.workload.scheduling.anti_affinity, input.workload.scheduling.spread)
	rule.topology_key == zone
	placement.mistaken(rule)
}

binding_enough(must) if must

binding_enough(_) if not input.parameters.require_do_not_schedule

strength := "DoNotSchedule" if {
	input.parameters.require_do_not_schedule
} else := "ScheduleAnyway"
