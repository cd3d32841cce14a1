package stategate.scheduling.scheduling_no_node_pin_test

import data.stategate.scheduling.scheduling_no_node_pin as policy

spec := ["spec", "template", "spec"]

term_path := array.concat(spec, ["affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"])

request(replicas, scheduling) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"replicas": replicas,
		"pods": {"spec_path": spec},
		"scheduling": object.union({"node_selector": {}, "node_affinity": []}, scheduling),
	},
	"parameters": {"allowed_nodes": []},
}

by_affinity(nodes) := {
	"hostnames": nodes,
	"node_affinity": [{
		"expressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": nodes}],
		"path": term_path,
	}],
}

by_selector(node) := {"hostnames": [node], "node_selector": {"kubernetes.io/hostname": node}}

found(document) := violations if violations := policy.violation with input as document

test_free_choice_passes if {
	found(request(3, {})) == set()
	found(request(3, {"node_selector": {"example.com/pool": "data"}})) == set()
}

test_node_name_fails if {
	some v in found(request(1, {"hostnames": ["n1"], "node_name": "n1"}))
	v.msg == "StatefulSet pg may only run on node n1: while that node is down or replaced, so is all of it"
	v.path == array.concat(spec, ["nodeName"])
	contains(v.fix, "Remove nodeName")
}

test_node_selector_fails if {
	some v in found(request(3, by_selector("n1")))
	v.path == array.concat(spec, ["nodeSelector"])
	contains(v.fix, "from nodeSelector")
}

test_fewer_nodes_than_replicas_fail if {
	some v in found(request(3, by_affinity(["n1", "n2"])))
	contains(v.msg, "the nodes n1, n2: its 3 replicas share them")
	v.path == term_path
	contains(v.fix, "affinity.nodeAffinity")
}

test_a_node_for_each_replica_passes if found(request(3, by_affinity(["n1", "n2", "n3"]))) == set()

test_one_node_for_one_replica_fails if count(found(request(1, by_affinity(["n1"])))) == 1

test_scaled_to_zero_on_one_node_fails if count(found(request(0, by_affinity(["n1"])))) == 1

test_scaled_to_zero_on_two_nodes_passes if found(request(0, by_affinity(["n1", "n2"]))) == set()

# A nodeSelector and an affinity that contradict each other: nothing runs, but nothing is pinned either.
test_no_node_at_all_is_not_judged_here if found(request(3, by_affinity([]))) == set()

test_allowed_nodes_pass if {
	document := request(1, by_selector("storage-1"))
	found(object.union(document, {"parameters": {"allowed_nodes": ["storage-*"]}})) == set()
	count(found(object.union(document, {"parameters": {"allowed_nodes": ["gpu-*"]}}))) == 1
}

test_data_on_the_node_is_moved_first if {
	document := object.union(request(1, by_affinity(["n1"])), {"workload": {"volumes": [{"source": "hostPath"}]}})
	some v in found(document)
	startswith(v.fix, "Its hostPath data is on that node only: move the data to a claim first, then remove")
	some w in found(request(1, by_affinity(["n1"])))
	startswith(w.fix, "Remove ")
}

test_single_application_may_be_on_its_node if {
	bridge := object.union(request(1, by_selector("p0")), {"workload": {"kind": "Deployment"}})
	found(bridge) == set()
	count(found(object.union(bridge, {"workload": {"engine": {"name": "postgres"}}}))) == 1
	count(found(object.union(bridge, {"workload": {"replicas": 2}}))) == 1
}
