# expect: uses itself
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.itself

twice(x) := twice(concat("", [x, x]))

violation contains {"msg": "x", "path": ["spec"]} if {
	twice("x") == ""
}
