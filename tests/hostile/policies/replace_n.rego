# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.replace_n

v0 := "x"

v1 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v0)

v2 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v1)

v3 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v2)

v4 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v3)

v5 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v4)

v6 := strings.replace_n({"x": "yyyyyyyyyyyyyyyy", "y": "xxxxxxxxxxxxxxxx"}, v5)

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v6) > 0
}
