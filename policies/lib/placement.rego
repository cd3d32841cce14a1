# Which rules keep a workload's own pods apart, and which only seem to.
package stategate.lib.placement

# Some rule selects the workload's own pods. A soft spread constraint on another key does not count: the webhook adds
# one to nearly every workload.
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

# A term may well be meant for another workload's pods. It counts as a mistake only if no other rule selects the
# workload's own pods.
mistaken(rule) if {
	not rule.matches_self
	not rule.max_skew
	key := rule.topology_key
	not own_rule(key)
}

# A constraint counts pods as it places them: one that does not count its own pods does nothing useful.
mistaken(rule) if {
	not rule.matches_self
	rule.max_skew
}
