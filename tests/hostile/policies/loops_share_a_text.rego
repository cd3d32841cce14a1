# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.loops_share_a_text

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v0 := "text"

v1 := concat(",", [v0 | some _ in list])

v2 := concat(",", [v1 | some _ in list])

v3 := concat(",", [v2 | some _ in list])

v4 := concat(",", [v3 | some _ in list])

v5 := concat(",", [v4 | some _ in list])

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v5) > 0
}
