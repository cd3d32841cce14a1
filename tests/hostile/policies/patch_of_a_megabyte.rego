# expect: its answer is larger than 1 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.patch_of_a_megabyte

list := split("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", ",")

v0 := list

v1 := [v0 | some _ in list]

v2 := [v1 | some _ in list]

v3 := [v2 | some _ in list]

patch contains p if {
	p := {"op": "add", "path": ["spec", "x"], "value": v3}
}
