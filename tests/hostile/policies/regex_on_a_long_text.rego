# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.regex_on_a_long_text

v0 := "a"

v1 := replace(v0, "a", "aaaaaaaaaaaaaaaa")

v2 := replace(v1, "a", "aaaaaaaaaaaaaaaa")

v3 := replace(v2, "a", "aaaaaaaaaaaaaaaa")

v4 := replace(v3, "a", "aaaaaaaaaaaaaaaa")

v5 := replace(v4, "a", "aaaaaaaaaaaaaaaa")

violation contains {"msg": "x", "path": ["spec"]} if {
	count(regex.find_n(`a*?a*?a*?b|a`, v5, -1)) > 0
}
