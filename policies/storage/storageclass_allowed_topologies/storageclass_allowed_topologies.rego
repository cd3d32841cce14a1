# METADATA
# title: Storage classes say where their volumes may be
# description: >-
#   Where data may lie is decided by the zones and regions that a class allows. A class without allowedTopologies follows
#   the nodes: a node pool that somebody adds in another region takes the data there. Judged are allowedTopologies and
#   the location of Azure's classes: they must be there (require_present), and each zone and region must be among
#   allowed_regions, if you name any. Other topology keys (hosts, racks) say nothing of regions and pass.
#   It is of use where residency is demanded and clusters span regions, so profiles leave it off.
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
#       description: Regions and zones (globs such as eu-west-1*) where data may be. Empty allows all that are named.
#     require_present: {type: boolean, default: true, description: A class must restrict where its volumes are.}
#   fix: Set allowedTopologies to zones or regions where the data may be.
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

# topology.kubernetes.io/zone, and the zones and regions of drivers.
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
