# METADATA
# title: Claims name storage classes that exist
# description: >-
#   A claim whose class does not exist in the cluster waits forever, and its pod with it, without an error that
#   anyone sees before the rollout times out. Usually the name is a typo, or the manifest comes from another cluster.
#   The classes are those of the cluster as stategate last saw them: a class created a moment ago may still be
#   missing. Volumes made by hand can share a class name that needs no StorageClass object; list such names in
#   classes_without_object. A claim that already has its volume passes.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim]}
#   inventory: {StorageClass.storage.k8s.io: cluster}
#   parameters:
#     classes_without_object:
#       type: list
#       of: string
#       default: [manual]
#       description: Class names (globs) that only manually created volumes use.
#   fix: Set storageClassName to a class of the cluster (kubectl get storageclass lists them).
#   why: no error shows until the rollout times out; usually the name is a typo or from another cluster
package stategate.storage.storage_class_exists

import data.stategate.lib.globs
import data.stategate.lib.statefulsets

violation contains v if {
	some claim in input.workload.claims
	claim.origin in {"object", "template", "ephemeral"}
	class := claim.storage_class
	class != ""
	known := input.related.storage_class_names
	not class in known
	not claim.volume_name
	without_object := input.parameters.classes_without_object
	not globs.matches_any(without_object, class)
	v := {
		"msg": sprintf(
			"claim %s names the class %s, which the cluster does not have: a new claim stays pending",
			[claim.name, class],
		),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
		"fix": fix(claim),
	}
}

fix(claim) := "Create the class first: the cluster has none" if {
	count(input.related.storage_class_names) == 0
} else := text if {
	claim.origin == "template"
	input.review.operation == "UPDATE"
	text := sprintf("%s, then apply it with a class that there is: %s", [statefulsets.orphan, offered])
} else := text if {
	claim.origin == "object"
	input.review.operation == "UPDATE"
	text := sprintf(
		"Keep the class that it has; only if kubectl get pvc %s shows Pending, delete it and apply it with one of: %s",
		[claim.name, offered],
	)
} else := sprintf("Set storageClassName to one of: %s", [offered])

offered := concat(", ", input.related.storage_class_names)
