# expect: holds the same parts more than 100,000 times
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.sprintf

v0 := "text"

v1 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v0, v0, v0, v0, v0, v0, v0, v0, v0, v0])

v2 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v1, v1, v1, v1, v1, v1, v1, v1, v1, v1])

v3 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v2, v2, v2, v2, v2, v2, v2, v2, v2, v2])

v4 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v3, v3, v3, v3, v3, v3, v3, v3, v3, v3])

v5 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v4, v4, v4, v4, v4, v4, v4, v4, v4, v4])

v6 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v5, v5, v5, v5, v5, v5, v5, v5, v5, v5])

v7 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v6, v6, v6, v6, v6, v6, v6, v6, v6, v6])

v8 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v7, v7, v7, v7, v7, v7, v7, v7, v7, v7])

v9 := sprintf("%s%s%s%s%s%s%s%s%s%s", [v8, v8, v8, v8, v8, v8, v8, v8, v8, v8])

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v9) > 0
}
