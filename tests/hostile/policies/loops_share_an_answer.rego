# expect: its answer is larger than 1 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.loops_share_an_answer

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v0 := list

v1 := [v0 | some _ in list]

v2 := [v1 | some _ in list]

v3 := [v2 | some _ in list]

v4 := [v3 | some _ in list]

violation contains v if {
	v := {"msg": "x", "path": ["spec"], "details": {"all": v4}}
}
