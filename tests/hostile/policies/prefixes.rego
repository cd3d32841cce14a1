# expect: its builtins exceeded 16 MiB
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.prefixes

many := split(replace(replace(replace("xxxxxxxxxx", "x", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"), "y", "zzzzzzzzzzzzzzzzzzzz"), "z", "a,"), ",")

violation contains {"msg": "x", "path": ["spec"]} if {
	strings.any_prefix_match(many, many) == false
}
