# What keeps a workload's own pods apart, and what only seems to.
package stategate.lib.placement

# Something selects its own pods.
own_rule if {
	some term in input.workload.scheduling.anti_affinity
	term.matches_self
}

own_rule if {
	some constraint in input.workload.scheduling.spread
	constraint.matches_self
}

# A term may well be meant for another workload's pods. It is taken for a slip of the pen only if nothing
# at all selects its own.
mistaken(rule) if {
	not rule.matches_self
	not rule.max_skew
	not own_rule
}

# A constraint counts pods as it places them: one that does not count its own does nothing useful.
mistaken(rule) if {
	not rule.matches_self
	rule.max_skew
}
