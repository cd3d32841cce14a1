package stategate.lib.placement_test

import data.stategate.lib.placement

term(own) := {"topology_key": "kubernetes.io/hostname", "matches_self": own}

spread(own) := {"topology_key": "kubernetes.io/hostname", "max_skew": 1, "matches_self": own}

scheduling(terms, constraints) := {"workload": {"scheduling": {"anti_affinity": terms, "spread": constraints}}}

test_a_rule_for_its_own_pods_is_one if {
	key := "kubernetes.io/hostname"
	placement.own_rule(key) with input as scheduling([term(false), term(true)], [])
	placement.own_rule(key) with input as scheduling([], [spread(true)])
	not placement.own_rule(key) with input as scheduling([term(false)], [spread(false)])
}

test_term_for_others_is_mistaken_if_nothing_keeps_its_own_apart if {
	placement.mistaken(term(false)) with input as scheduling([term(false)], [])
	not placement.mistaken(term(false)) with input as scheduling([term(false), term(true)], [])
	not placement.mistaken(term(false)) with input as scheduling([term(false)], [spread(true)])
}

test_constraint_for_others_is_mistaken if {
	placement.mistaken(spread(false)) with input as scheduling([term(true)], [spread(false)])
}

test_what_selects_its_own_is_not if {
	not placement.mistaken(term(true)) with input as scheduling([term(true)], [])
	not placement.mistaken(spread(true)) with input as scheduling([], [spread(true)])
}

test_a_wish_for_zones_is_no_rule_for_nodes if {
	wish := object.union(spread(true), {"topology_key": "topology.kubernetes.io/zone", "when_unsatisfiable": "ScheduleAnyway"})
	must := object.union(wish, {"when_unsatisfiable": "DoNotSchedule"})
	placement.mistaken(term(false)) with input as scheduling([term(false)], [wish])
	not placement.mistaken(term(false)) with input as scheduling([term(false)], [must])
}
