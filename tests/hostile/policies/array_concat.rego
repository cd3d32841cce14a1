# expect: holds the same parts more than 100,000 times
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.array_concat

v0 := ["text"]

v1 := array.concat(v0, array.concat(v0, array.concat(v0, v0)))

v2 := array.concat(v1, array.concat(v1, array.concat(v1, v1)))

v3 := array.concat(v2, array.concat(v2, array.concat(v2, v2)))

v4 := array.concat(v3, array.concat(v3, array.concat(v3, v3)))

v5 := array.concat(v4, array.concat(v4, array.concat(v4, v4)))

v6 := array.concat(v5, array.concat(v5, array.concat(v5, v5)))

v7 := array.concat(v6, array.concat(v6, array.concat(v6, v6)))

v8 := array.concat(v7, array.concat(v7, array.concat(v7, v7)))

v9 := array.concat(v8, array.concat(v8, array.concat(v8, v8)))

v10 := array.concat(v9, array.concat(v9, array.concat(v9, v9)))

v11 := array.concat(v10, array.concat(v10, array.concat(v10, v10)))

v12 := array.concat(v11, array.concat(v11, array.concat(v11, v11)))

v13 := array.concat(v12, array.concat(v12, array.concat(v12, v12)))

v14 := array.concat(v13, array.concat(v13, array.concat(v13, v13)))

v15 := array.concat(v14, array.concat(v14, array.concat(v14, v14)))

v16 := array.concat(v15, array.concat(v15, array.concat(v15, v15)))

v17 := array.concat(v16, array.concat(v16, array.concat(v16, v16)))

v18 := array.concat(v17, array.concat(v17, array.concat(v17, v17)))

violation contains {"msg": "x", "path": ["spec"]} if {
	count(v18) > 0
}
