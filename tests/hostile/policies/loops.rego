# expect: it was stopped after 1000000 steps
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.loops

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

violation contains {"msg": "x", "path": ["spec"]} if {
	some a in list
	some b in list
	some c in list
	some d in list
	concat("", [a, b, c, d]) == "never"
}
