# expect: time.now_ns is not allowed
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.clock

violation contains {"msg": "x", "path": ["spec"]} if {
	time.now_ns() > 1
}
