# expect: exceeded size limit
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.regex

violation contains {"msg": "x", "path": ["spec"]} if {
	regex.match(`((a{100}){100}){100}`, "aaaa")
}
