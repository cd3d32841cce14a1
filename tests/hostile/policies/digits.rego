# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.digits

digits := replace(concat("", [x | some x in split(replace("xxxxxxxxxxxxxxxxxxxx", "x", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"), ",")]), "1", "99999")

violation contains {"msg": "x", "path": ["spec"]} if {
	to_number(digits) > 1
}
