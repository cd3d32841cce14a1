# expect: it was stopped when its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.set_operators_in_a_rule

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

numbers := {[i, j, k] | some i, _ in list; some j, _ in list; some k, _ in list}

more contains s if {
	some i, _ in list
	some j, _ in list
	s := numbers | {[i, j]}
}

violation contains {"msg": "x", "path": ["spec"]} if {
	count(more) == 0
}
