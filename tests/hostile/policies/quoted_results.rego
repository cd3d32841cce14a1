# expect: function produced multiple outputs
# expect of the interpreter: it was stopped when its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.quoted_results

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v1 := [list | some _ in list]

v2 := [v1 | some _ in list]

v3 := [v2 | some _ in list]

v4 := [v3 | some _ in list]

v5 := [v4 | some _ in list]

f(x) := y if {
	some i in [1, 2]
	y := {"a": v5, "b": i, "c": x}
}

violation contains {"msg": "x", "path": ["spec"]} if {
	f(1) == 2
}
