# expect: function produced multiple outputs
# expect of the interpreter: it was stopped when its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.quoted_results_else

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v1 := [list | some _ in list]

v2 := [v1 | some _ in list]

v3 := [v2 | some _ in list]

v4 := [v3 | some _ in list]

v5 := [v4 | some _ in list]

f(x) := [1, v5] if {
	x == 1
} else := [y, v5] if {
	some y, _ in list
}

violation contains {"msg": "x", "path": ["spec"]} if {
	f(2) == 2
}
