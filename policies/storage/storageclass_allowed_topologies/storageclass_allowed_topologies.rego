# METADATA
# title: Storage classes restrict where their volumes may be
# description: >-
#   The zones and regions that a class allows decide where data may be stored. A class without allowedTopologies
#   follows the nodes: a node pool added in another region takes the data there. This policy checks allowedTopologies
#   and the location parameter of Azure's classes: one of them must be present (require_present), and each zone and
#   region must be among allowed_regions, if you list any. Other topology keys (hosts, racks) say nothing about
#   regions: their values are not compared with allowed_regions, and they alone do not satisfy require_present. The
#   policy is useful where data residency is required and clusters span regions, so profiles leave it off.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#allowed-topologies
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     allowed_regions:
#       type: list
#       of: string
#       default: []
#       description: Regions and zones (globs such as eu-west-1*) where data may be. Empty allows any.
#     require_present: {type: boolean, default: true, description: Require classes to restrict where their volumes are.}
#   fix: Set allowedTopologies to zones or regions where the data may be.
#   why: the data may end up in a region where it must not be stored
package stategate.storage.storageclass_allowed_topologies

import data.stategate.lib.globs

violation contains v if {
	input.parameters.require_present
	count(places) == 0
	v := {
		"msg": sprintf("StorageClass %s does not say where its volumes may be: they follow the nodes", [input.workload.name]),
		"path": ["allowedTopologies"],
	}
}

violation contains v if {
	regions := input.parameters.allowed_regions
	count(regions) > 0
	some place in places
	not globs.matches_any(regions, place.name)
	v := {
		"msg": sprintf("StorageClass %s may put data in %s, which is not allowed", [input.workload.name, place.name]),
		"path": place.path,
		"fix": sprintf("Allow only: %s", [concat(", ", regions)]),
	}
}

# topology.kubernetes.io/zone, and the zone and region keys of drivers.
places contains place if {
	some topology in input.workload.storage_class.allowed_topologies
	regex.match(`/(zone|region)$`, topology.key)
	some value in topology.values
	place := {"name": value, "path": topology.path}
}

places contains place if {
	some name, value in input.workload.storage_class.parameters
	lower(name) == "location"
	place := {"name": value, "path": ["parameters", name]}
}
