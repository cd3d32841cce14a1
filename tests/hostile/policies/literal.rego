# expect: out of range
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.literal

violation contains {"msg": "x", "path": ["spec"]} if {
	1e400000000 > 1
}
