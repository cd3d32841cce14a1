# expect: its answer is larger than 1 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.message_of_a_megabyte

v0 := "xx"

v1 := replace(v0, "x", "xxxxxxxxxxxxxxxx")

v2 := replace(v1, "x", "xxxxxxxxxxxxxxxx")

v3 := replace(v2, "x", "xxxxxxxxxxxxxxxx")

v4 := replace(v3, "x", "xxxxxxxxxxxxxxxx")

v5 := replace(v4, "x", "xxxxxxxxxxxxxxxx")

violation contains v if {
	v := {"msg": v5, "path": ["spec"]}
}
