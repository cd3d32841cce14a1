# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.split

v0 := "a"

v1 := replace(v0, "a", "aaaaaaaaaaaaaaaa")

v2 := replace(v1, "a", "aaaaaaaaaaaaaaaa")

v3 := replace(v2, "a", "aaaaaaaaaaaaaaaa")

v4 := replace(v3, "a", "aaaaaaaaaaaaaaaa")

v5 := replace(v4, "a", "aaaaaaaaaaaaaaaa")

violation contains {"msg": "x", "path": ["spec"]} if {
	count(split(v5, "")) > 0
}
