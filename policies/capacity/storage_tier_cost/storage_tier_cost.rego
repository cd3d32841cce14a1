# METADATA
# title: Development does not use premium storage
# description: >-
#   The fastest storage costs many times as much as ordinary storage, and its capacity is limited. Claims of
#   Namespaces labelled stategate.io/tier: dev do not need it. Only you know which classes are premium; the default of
#   premium_classes names those of the big clouds. Claims without a class are checked by storage-class-required.
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
#       description: Storage classes (globs) that are too expensive for development.
#   fix: Name an ordinary storage class in the claim.
#   why: "premium storage costs many times as much as ordinary storage, and its capacity is limited"
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
