# expect: `with` replaces what a policy is asked about
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.with

other if input.x

violation contains {"msg": "x", "path": ["spec"]} if {
	other with input as {"x": true}
}
