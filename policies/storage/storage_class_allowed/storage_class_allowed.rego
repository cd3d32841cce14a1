# METADATA
# title: Claims use storage classes allowed in their tier
# description: >-
#   A class decides how fast, how safe and how expensive a disk is, and the choice is final: a claim keeps its class
#   for life. Without configuration this policy refuses only classes whose name marks them as scratch space (denied).
#   Use `allowed` to name the classes that you offer, for each tier or under "*" for tiers without a list of their
#   own. The tier is the label stategate.io/tier of the Namespace; a Namespace without it counts as default_tier.
#   storage-class-required covers claims that name no class. Claims that are scratch space themselves
#   (scratch_claims) may use a denied class, and generic ephemeral volumes are not checked. Existing claims and
#   further replicas of an existing StatefulSet are not refused afterwards.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim]}
#   parameters:
#     allowed:
#       type: map
#       of: list
#       default: {}
#       description: Classes (globs) by tier, "*" for tiers not listed. A tier without an entry may use any class.
#     denied: {type: list, of: string, default: ["*ephemeral*", "*scratch*"], description: Classes (globs) that must not hold data.}
#     scratch_claims:
#       type: list
#       of: string
#       default: ["*cache*", "*ephemeral*", "*scratch*", "*tmp*", temp, "temp-*", "*-temp", "*-temp-*"]
#       description: Claims (globs) that may use a denied class.
#     default_tier: {type: string, default: prod, description: Tier of a Namespace without the label.}
#   fix: Set storageClassName to an allowed class (kubectl get storageclass lists them).
#   why: a claim keeps its class for life; moving to another one means copying the data
package stategate.storage.storage_class_allowed

import data.stategate.lib.globs
import data.stategate.lib.requested_claims
import data.stategate.lib.tiers

violation contains v if {
	some claim in requested_claims.requested
	claim.storage_class != ""
	classes := offered
	not globs.matches_any(classes, claim.storage_class)
	v := {
		"msg": sprintf("claim %s uses class %s, which is not allowed in tier %s", [claim.name, claim.storage_class, tier]),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
		"fix": sprintf("Set storageClassName to one of: %s", [concat(", ", offered)]),
	}
}

violation contains v if {
	some claim in requested_claims.requested
	globs.matches_any(offered, claim.storage_class)
	globs.matches_any(input.parameters.denied, claim.storage_class)
	scratch := input.parameters.scratch_claims
	name := claim.name
	not globs.matches_any(scratch, name)
	v := {
		"msg": sprintf("claim %s uses class %s, which is scratch space by its name", [claim.name, claim.storage_class]),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
	}
}

tier := tiers.tier

offered := input.parameters.allowed[tier] if {
	input.parameters.allowed[tier]
} else := object.get(input.parameters.allowed, "*", ["*"])
