# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.shift

violation contains {"msg": "x", "path": ["spec"]} if {
	bits.lsh(1, 9000000000) > 1
}
