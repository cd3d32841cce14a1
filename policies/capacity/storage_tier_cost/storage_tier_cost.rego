# METADATA
# title: Development does not use premium storage
# description: >-
#   The fastest storage costs many times the ordinary one, and there is only so much of it. Claims of Namespaces labelled
#   stategate.io/tier: dev have no need of it.
#   Which classes are premium only you know: premium_classes names those of the big clouds. Claims without a class are
#   storage-class-required's matter.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim], operations: [CREATE]}
#   parameters:
#     premium_classes:
#       type: list
#       of: string
#       default: [premium-rwo, managed-premium, managed-csi-premium, "*io2*", "*ultra*"]
#       description: Storage classes (globs) that are too dear for development.
#   fix: Name an ordinary storage class in the claim.
package stategate.capacity.storage_tier_cost

import data.stategate.lib.globs

violation contains v if {
	input.workload.tier == "dev"
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	globs.matches_any(input.parameters.premium_classes, claim.storage_class)
	v := {
		"msg": sprintf("claim %s takes premium storage (%s) for development", [claim.name, claim.storage_class]),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
	}
}
