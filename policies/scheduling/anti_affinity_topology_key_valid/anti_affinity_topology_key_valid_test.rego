package stategate.scheduling.anti_affinity_topology_key_valid_test

import data.stategate.scheduling.anti_affinity_topology_key_valid as policy

hostname := "kubernetes.io/hostname"

term(key) := {"required": true, "topology_key": key, "path": ["terms", 0]}

spread(key, when) := {"topology_key": key, "max_skew": 1, "when_unsatisfiable": when, "path": ["spread", 0]}

request(terms, constraints) := {
	"workload": {"scheduling": {"anti_affinity": terms, "spread": constraints}},
	"parameters": {"allowed_keys": [hostname, "topology.kubernetes.io/zone"]},
}

on_nodes(document, keys) := object.union(document, {"related": {"nodes": {"label_keys": keys}}})

found(document) := violations if violations := policy.violation with input as document

test_known_keys_pass if found(request([term(hostname)], [spread("topology.kubernetes.io/zone", "DoNotSchedule")])) == set()

test_key_without_domain_fails if {
	some v in found(request([term("hostname")], []))
	v.msg == "topologyKey hostname is no label that Kubernetes gives to nodes: unless you set it, the rule keeps no pods apart"
	v.path == ["terms", 0, "topologyKey"]
	v.fix == "Set topologyKey to kubernetes.io/hostname"
}

test_misspelt_key_of_kubernetes_fails if {
	some zone in found(request([], [spread("failure-domain.kubernetes.io/zone", "DoNotSchedule")]))
	contains(zone.msg, "pods stay pending")
	zone.fix == "Set topologyKey to topology.kubernetes.io/zone"
	some region in found(request([], [spread("kubernetes.io/region", "ScheduleAnyway")]))
	contains(region.msg, "the constraint spreads no pods")
	region.fix == "Set topologyKey to topology.kubernetes.io/region"
	some other in found(request([term("kubernetes.io/rack")], []))
	contains(other.fix, "or a label that your nodes carry")
}

test_keys_of_other_domains_pass if {
	found(request([term("example.com/rack")], [spread("topology.ebs.csi.aws.com/zone", "DoNotSchedule")])) == set()
}

test_deprecated_key_fails_even_if_nodes_have_it if {
	old := "failure-domain.beta.kubernetes.io/zone"
	some v in found(on_nodes(request([term(old)], []), [hostname, old]))
	contains(v.msg, "is deprecated since Kubernetes 1.17 (now topology.kubernetes.io/zone), and clouds stop setting it: where nodes lack it, the")
	v.fix == "Set topologyKey to topology.kubernetes.io/zone"
	count(found(request([term(old)], []))) == 1
}

test_label_of_the_nodes_passes if {
	found(on_nodes(request([term("rack")], []), [hostname, "rack"])) == set()
}

test_label_of_no_node_fails if {
	some v in found(on_nodes(request([term("example.com/rack")], []), [hostname]))
	contains(v.msg, "is a label of none of this cluster's nodes: the rule keeps no pods apart")
}

test_wish_for_zones_passes_where_there_are_none if {
	zone := "topology.kubernetes.io/zone"
	found(on_nodes(request([], [spread(zone, "ScheduleAnyway")]), [hostname])) == set()
	found(on_nodes(request([object.union(term(zone), {"required": false})], []), [hostname])) == set()
	count(found(on_nodes(request([], [spread(zone, "DoNotSchedule")]), [hostname]))) == 1
	count(found(on_nodes(request([], [spread("example.com/rack", "ScheduleAnyway")]), [hostname]))) == 1
}

test_no_nodes_tell_nothing if found(on_nodes(request([term("example.com/rack")], []), [])) == set()

test_more_keys_may_be_allowed if {
	document := request([term("rack")], [])
	count(found(document)) == 1
	found(object.union(document, {"parameters": {"allowed_keys": ["ra*"]}})) == set()
}
