# expect: holds the same parts more than 100,000 times
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.shared_arrays_written

v0 := "text"

v1 := [v0, v0, v0, v0, v0, v0, v0, v0, v0, v0]

v2 := [v1, v1, v1, v1, v1, v1, v1, v1, v1, v1]

v3 := [v2, v2, v2, v2, v2, v2, v2, v2, v2, v2]

v4 := [v3, v3, v3, v3, v3, v3, v3, v3, v3, v3]

v5 := [v4, v4, v4, v4, v4, v4, v4, v4, v4, v4]

v6 := [v5, v5, v5, v5, v5, v5, v5, v5, v5, v5]

v7 := [v6, v6, v6, v6, v6, v6, v6, v6, v6, v6]

v8 := [v7, v7, v7, v7, v7, v7, v7, v7, v7, v7]

v9 := [v8, v8, v8, v8, v8, v8, v8, v8, v8, v8]

violation contains {"msg": "x", "path": ["spec"]} if {
	count(json.marshal(v9)) > 0
}
