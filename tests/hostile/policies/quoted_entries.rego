# expect: value for key generated multiple times
# expect of the interpreter: it was stopped when its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.quoted_entries

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v1 := [list | some _ in list]

v2 := [v1 | some _ in list]

v3 := [v2 | some _ in list]

v4 := [v3 | some _ in list]

v5 := [v4 | some _ in list]

violation contains {"msg": "x", "path": ["spec"]} if {
	x := {"a": v | some i in [1, 2]; v := [i, v5]}
	count(x) == 5
}
