# expect: holds the same parts more than 100,000 times
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.shared_objects_compared

v0 := "text"

v1 := {"a": v0, "b": v0, "c": v0, "d": v0}

v2 := {"a": v1, "b": v1, "c": v1, "d": v1}

v3 := {"a": v2, "b": v2, "c": v2, "d": v2}

v4 := {"a": v3, "b": v3, "c": v3, "d": v3}

v5 := {"a": v4, "b": v4, "c": v4, "d": v4}

v6 := {"a": v5, "b": v5, "c": v5, "d": v5}

v7 := {"a": v6, "b": v6, "c": v6, "d": v6}

v8 := {"a": v7, "b": v7, "c": v7, "d": v7}

v9 := {"a": v8, "b": v8, "c": v8, "d": v8}

v10 := {"a": v9, "b": v9, "c": v9, "d": v9}

v11 := {"a": v10, "b": v10, "c": v10, "d": v10}

v12 := {"a": v11, "b": v11, "c": v11, "d": v11}

v13 := {"a": v12, "b": v12, "c": v12, "d": v12}

v14 := {"a": v13, "b": v13, "c": v13, "d": v13}

v15 := {"a": v14, "b": v14, "c": v14, "d": v14}

v16 := {"a": v15, "b": v15, "c": v15, "d": v15}

v17 := {"a": v16, "b": v16, "c": v16, "d": v16}

v18 := {"a": v17, "b": v17, "c": v17, "d": v17}

violation contains {"msg": "x", "path": ["spec"]} if {
	v18 == input.parameters
}
