# expect: there is no package data.stategate.storage
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.another_policy

violation contains {"msg": "x", "path": ["spec"]} if {
	data.stategate.storage.volume_no_emptydir_data.violation
}
