# expect: expected a string
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.message_is_a_number

violation contains {"msg": 5, "path": ["spec"]}
