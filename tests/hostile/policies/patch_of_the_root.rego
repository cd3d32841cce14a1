# expect: may not replace the whole object
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.patch_of_the_root

patch contains {"op": "replace", "path": [], "value": {}}
