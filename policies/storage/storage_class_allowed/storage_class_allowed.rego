# METADATA
# title: Claims use storage classes that are allowed in their tier
# description: >-
#   A class decides how fast, how safe and how dear a disk is, and the choice cannot be taken back: a claim keeps its
#   class for life. Without configuration only classes that are scratch space by their name (denied) are refused; name
#   the classes that you offer with `allowed`, for each tier or under "*" for those that have no list of their own.
#   The tier is the label stategate.io/tier of the Namespace; a Namespace without it counts as default_tier.
#   Claims that name no class are the matter of storage-class-required. Claims that are scratch space themselves
#   (scratch_claims) may use what is denied, generic ephemeral volumes are not judged, and neither a claim that exists
#   nor one more replica of a StatefulSet that exists is refused afterwards.
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
#       description: Classes (globs) by tier, "*" for tiers that are not listed. A tier without an entry may use any class.
#     denied: {type: list, of: string, default: ["*ephemeral*", "*scratch*"], description: Classes (globs) that hold no data.}
#     scratch_claims:
#       type: list
#       of: string
#       default: ["*cache*", "*ephemeral*", "*scratch*", "*tmp*", temp, "temp-*", "*-temp", "*-temp-*"]
#       description: Claims (globs) that may use a denied class.
#     default_tier: {type: string, default: prod, description: Tier of a Namespace that has no label.}
#   fix: Set storageClassName to a class that is allowed (kubectl get storageclass lists them).
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
