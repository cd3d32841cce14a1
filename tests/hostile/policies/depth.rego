# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.depth

v0 := "["

v1 := replace(v0, "[", "[[[[[[[[[[[[[[[[")

v2 := replace(v1, "[", "[[[[[[[[[[[[[[[[")

v3 := replace(v2, "[", "[[[[[[[[[[[[[[[[")

v4 := replace(v3, "[", "[[[[[[[[[[[[[[[[")

v5 := replace(v4, "[", "[[[[[[[[[[[[[[[[")

violation contains {"msg": "x", "path": ["spec"]} if {
	json.unmarshal(v5)
}
