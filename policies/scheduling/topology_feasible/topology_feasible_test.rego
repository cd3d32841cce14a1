package stategate.scheduling.topology_feasible_test

import data.stategate.scheduling.topology_feasible as policy

hostname := "kubernetes.io/hostname"

zone := "topology.kubernetes.io/zone"

spec := ["spec", "template", "spec"]

nodes(matching, zones) := {"nodes": {"count": 6, "schedulable": 6, "matching": matching, "zones": zones}}

three_zones := {"a": 2, "b": 2, "c": 2}

request(replicas, scheduling, related) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"replicas": replicas,
		"pods": {"spec_path": spec},
		"claims": [{"name": "data", "path": ["claims", 0]}],
		"scheduling": object.union({"anti_affinity": [], "spread": [], "node_selector": {}, "node_affinity": []}, scheduling),
	},
	"related": related,
	"parameters": {"assume_autoscaler": false},
}

apart(key) := {"anti_affinity": [{"required": true, "matches_self": true, "topology_key": key, "path": ["terms", 0]}]}

spread(fewest) := {"spread": [{
	"matches_self": true,
	"when_unsatisfiable": "DoNotSchedule",
	"topology_key": zone,
	"max_skew": 1,
	"min_domains": fewest,
	"path": ["spread", 0],
}]}

only_in(operator, values) := {"node_affinity": [{
	"expressions": [{"key": "disk", "operator": "Exists", "values": []}, {"key": zone, "operator": operator, "values": values}],
	"path": ["affinity", 0],
}]}

found(document) := violations if violations := policy.violation with input as document

test_enough_nodes_pass if {
	found(request(3, apart(hostname), nodes(3, three_zones))) == set()
	found(request(3, apart(zone), nodes(6, three_zones))) == set()
}

test_more_replicas_than_nodes_fail if {
	some v in found(request(5, apart(hostname), nodes(3, three_zones)))
	v.msg == "StatefulSet pg needs 5 nodes for its replicas, but only 3 fit (left pending: 2)"
	v.path == ["terms", 0]
}

test_more_replicas_than_zones_fail if {
	some v in found(request(4, apart(zone), nodes(6, three_zones)))
	contains(v.msg, "needs 4 zones for its replicas, but only 3 fit (left pending: 1)")
}

test_preference_and_other_pods_pass if {
	terms := [
		{"required": false, "matches_self": true, "topology_key": hostname, "path": []},
		{"required": true, "matches_self": false, "topology_key": hostname, "path": []},
		{"required": true, "matches_self": true, "topology_key": "example.com/rack", "path": []},
	]
	found(request(5, {"anti_affinity": terms}, nodes(3, three_zones))) == set()
}

test_unknown_nodes_tell_nothing if found(request(5, apart(hostname), {})) == set()

test_nodes_without_zones_tell_nothing if {
	found(request(5, apart(zone), nodes(6, {}))) == set()
	found(request(5, spread(3), nodes(6, {}))) == set()
}

test_more_domains_than_zones_fail if {
	some v in found(request(5, spread(5), nodes(6, three_zones)))
	contains(v.msg, "wants 5 zones, but there are 3: only 3 of 5 replicas find a place")
	v.fix == "Set minDomains to 3 or less"
	found(request(3, spread(5), nodes(6, three_zones))) == set()
	found(request(9, spread(3), nodes(6, three_zones))) == set()
}

test_no_node_that_fits_fails if {
	some v in found(request(1, {}, nodes(0, {})))
	contains(v.msg, "no node of this cluster fits")
	v.path == spec
}

test_autoscaler_may_add_nodes if {
	every document in [
		request(5, apart(hostname), nodes(3, three_zones)),
		request(5, apart(zone), nodes(3, three_zones)),
		request(5, spread(5), nodes(6, three_zones)),
		request(1, {}, nodes(0, {})),
	] {
		found(object.union(document, {"parameters": {"assume_autoscaler": true}})) == set()
	}
}

test_volume_in_another_zone_fails if {
	volume := {"pvs": [{"name": "pv-1", "zones": ["a"]}]}
	some v in found(request(1, {"node_selector": {zone: "b"}}, volume))
	contains(v.msg, "PersistentVolume pv-1 is in a, where the pods of StatefulSet pg may not run")
	count(found(request(1, only_in("In", ["b", "c"]), volume))) == 1
	count(found(request(1, only_in("NotIn", ["a"]), volume))) == 1
	count(found(request(1, only_in("DoesNotExist", []), volume))) == 1
}

test_volume_in_a_zone_of_the_pods_passes if {
	volume := {"pvs": [{"name": "pv-1", "zones": ["a"]}]}
	every scheduling in [{}, {"node_selector": {zone: "a"}}, only_in("In", ["a", "b"]), only_in("NotIn", ["b"]), only_in("Exists", [])] {
		found(request(1, scheduling, volume)) == set()
	}
	found(request(1, {"node_selector": {zone: "b"}}, {"pvs": [{"name": "pv-1", "zones": []}]})) == set()
}

test_class_for_other_zones_fails if {
	class := {"name": "zone-a", "allowed_topologies": [{"key": "topology.ebs.csi.aws.com/zone", "values": ["a"]}]}
	some v in found(request(1, {"node_selector": {zone: "b"}}, {"claim_classes": {"data": class}}))
	v.msg == "StorageClass zone-a of claim data makes volumes in a only, where the pods may not run"
	v.path == ["claims", 0]
	found(request(1, {}, {"claim_classes": {"data": class}})) == set()
}
