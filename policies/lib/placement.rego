# What keeps a workload's own pods apart, and what only seems to.
package stategate.lib.placement

# Something selects its own pods. A wish to spread over another key does not count: the webhook adds one to nearly all.
own_rule(_) if {
	some term in input.workload.scheduling.anti_affinity
	term.matches_self
}

own_rule(key) if {
	some constraint in input.workload.scheduling.spread
	constraint.matches_self
	tells(constraint, key)
}

tells(constraint, _) if constraint.when_unsatisfiable == "DoNotSchedule"

tells(constraint, key) if constraint.topology_key == key

# A term may well be meant for another workload's pods. It is taken for a slip of the pen only if nothing
# else selects its own.
mistaken(rule) if {
	not rule.matches_self
	not rule.max_skew
	key := rule.topology_key
	not own_rule(key)
}

# A constraint counts pods as it places them: one that does not count its own does nothing useful.
mistaken(rule) if {
	not rule.matches_self
	rule.max_skew
}
