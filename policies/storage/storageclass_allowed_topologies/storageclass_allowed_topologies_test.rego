package stategate.storage.storageclass_allowed_topologies_test

import data.stategate.storage.storageclass_allowed_topologies as policy

request(topologies, class_parameters, regions, required) := {
	"workload": {
		"kind": "StorageClass",
		"name": "fast",
		"storage_class": {
			"allowed_topologies": [object.union(topology, {"path": ["allowedTopologies", 0]}) | some topology in topologies],
			"parameters": class_parameters,
		},
	},
	"parameters": {"allowed_regions": regions, "require_present": required},
}

found(document) := violations if violations := policy.violation with input as document

in_zones(zones) := {"key": "topology.kubernetes.io/zone", "values": zones}

europe := ["eu-west-1*", "westeurope*"]

test_allowed_zones_pass if found(request([in_zones(["eu-west-1a", "eu-west-1b"])], {}, europe, true)) == set()

test_other_zone_fails if {
	some v in found(request([in_zones(["eu-west-1a", "us-east-1a"])], {}, europe, true))
	v.msg == "StorageClass fast may put data in us-east-1a, which is not allowed"
	v.path == ["allowedTopologies", 0]
	v.fix == "Allow only: eu-west-1*, westeurope*"
}

test_zones_of_drivers_count if {
	topology := {"key": "topology.ebs.csi.aws.com/zone", "values": ["us-east-1a"]}
	count(found(request([topology], {}, europe, true))) == 1
}

test_location_of_azure_counts if {
	found(request([], {"location": "westeurope"}, europe, true)) == set()
	some v in found(request([], {"Location": "eastus"}, europe, true))
	v.path == ["parameters", "Location"]
}

test_any_named_place_passes_without_regions if found(request([in_zones(["us-east-1a"])], {}, [], true)) == set()

test_nothing_said_fails if {
	some v in found(request([], {}, [], true))
	contains(v.msg, "does not say where its volumes may be")
	v.path == ["allowedTopologies"]
}

test_other_keys_say_nothing_of_regions if {
	topology := {"key": "topology.topolvm.io/node", "values": ["n1"]}
	count(found(request([topology], {}, europe, true))) == 1
	found(request([topology], {}, europe, false)) == set()
}

test_nothing_said_may_pass if found(request([], {}, europe, false)) == set()
