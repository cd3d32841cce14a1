# METADATA
# title: Volume attributes classes exist and fit
# description: >-
#   A VolumeAttributesClass changes the speed of a volume while it is in use. One that the cluster does not have, or
#   that belongs to another driver, changes nothing: an existing claim keeps its attributes and only an event on it
#   reports the problem; a new claim stays pending. This policy checks claims that name one: it must exist, its
#   driver must be the provisioner of the claim's class, and it must be allowed in the tier of the Namespace if you
#   list what is (allowed). Whatever stategate does not know about the cluster is not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim]}
#   inventory: {VolumeAttributesClass.storage.k8s.io: cluster, StorageClass.storage.k8s.io: optional}
#   parameters:
#     allowed:
#       type: map
#       of: list
#       default: {}
#       description: Volume attributes classes (globs) by tier. A tier without an entry may use any.
#     default_tier: {type: string, default: prod, description: Tier of a Namespace without the label.}
#   fix: Name a VolumeAttributesClass of the claim's driver (kubectl get volumeattributesclass lists them).
#   why: the volume gets the wrong performance for its tier, or the claim stays pending without a volume
package stategate.storage.pvc_volume_attributes_class

import data.stategate.lib.globs
import data.stategate.lib.tiers

tier := tiers.tier

violation contains v if {
	some claim in named
	known := input.related.volume_attributes_classes
	name := claim.volume_attributes_class
	not known[name]
	v := {
		"msg": sprintf(
			"claim %s names the VolumeAttributesClass %s, which the cluster does not have: %s",
			[claim.name, claim.volume_attributes_class, consequence(claim)],
		),
		"path": path(claim),
	}
}

violation contains v if {
	some claim in named
	attributes := input.related.volume_attributes_classes[claim.volume_attributes_class]
	class := input.related.claim_classes[claim.name]
	attributes.driver != class.provisioner
	v := {
		"msg": sprintf(
			"VolumeAttributesClass %s is for %s, but claim %s is of %s: %s",
			[attributes.name, attributes.driver, claim.name, class.provisioner, consequence(claim)],
		),
		"path": path(claim),
	}
}

violation contains v if {
	some claim in named
	allowed := input.parameters.allowed[tier]
	name := claim.volume_attributes_class
	not globs.matches_any(allowed, name)
	v := {
		"msg": sprintf(
			"claim %s uses VolumeAttributesClass %s, which is not allowed in tier %s",
			[claim.name, claim.volume_attributes_class, tier],
		),
		"path": path(claim),
		"fix": sprintf("Set volumeAttributesClassName to one of: %s", [concat(", ", allowed)]),
	}
}

named contains claim if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	claim.volume_attributes_class != ""
}

consequence(claim) := "it keeps the attributes that it has" if {
	claim.origin == "object"
	input.review.operation == "UPDATE"
} else := "a new claim stays pending"

path(claim) := array.concat(claim.spec_path, ["volumeAttributesClassName"])
