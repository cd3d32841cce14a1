# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.replace

v0 := "x"

v1 := replace(v0, "x", "xxxxxxxxxxxxxxxx")

v2 := replace(v1, "x", "xxxxxxxxxxxxxxxx")

v3 := replace(v2, "x", "xxxxxxxxxxxxxxxx")

v4 := replace(v3, "x", "xxxxxxxxxxxxxxxx")

v5 := replace(v4, "x", "xxxxxxxxxxxxxxxx")

v6 := replace(v5, "x", "xxxxxxxxxxxxxxxx")

v7 := replace(v6, "x", "xxxxxxxxxxxxxxxx")

v8 := replace(v7, "x", "xxxxxxxxxxxxxxxx")

v9 := replace(v8, "x", "xxxxxxxxxxxxxxxx")

v10 := replace(v9, "x", "xxxxxxxxxxxxxxxx")

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v10) > 0
}
