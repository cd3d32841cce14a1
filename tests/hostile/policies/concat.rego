# expect: holds the same parts more than 100,000 times
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.concat

v0 := "text"

v1 := concat("", [v0, v0, v0, v0, v0, v0, v0, v0, v0, v0])

v2 := concat("", [v1, v1, v1, v1, v1, v1, v1, v1, v1, v1])

v3 := concat("", [v2, v2, v2, v2, v2, v2, v2, v2, v2, v2])

v4 := concat("", [v3, v3, v3, v3, v3, v3, v3, v3, v3, v3])

v5 := concat("", [v4, v4, v4, v4, v4, v4, v4, v4, v4, v4])

v6 := concat("", [v5, v5, v5, v5, v5, v5, v5, v5, v5, v5])

v7 := concat("", [v6, v6, v6, v6, v6, v6, v6, v6, v6, v6])

v8 := concat("", [v7, v7, v7, v7, v7, v7, v7, v7, v7, v7])

v9 := concat("", [v8, v8, v8, v8, v8, v8, v8, v8, v8, v8])

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v9) > 0
}
