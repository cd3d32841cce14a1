package stategate.scheduling.scheduling_no_spot_nodes_test

import data.stategate.scheduling.scheduling_no_spot_nodes as policy

gke := "cloud.google.com/gke-spot"

karpenter := "karpenter.sh/capacity-type"

spec := ["spec", "template", "spec"]

term_path := array.concat(spec, ["affinity", "nodeAffinity", 0])

request(scheduling) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"engine": {"name": "postgres"},
		"pods": {"spec_path": spec},
		"scheduling": object.union({"node_selector": {}, "node_affinity": [], "tolerations": []}, scheduling),
	},
	"parameters": {"spot_labels": ["cloud.google.com/gke-spot=true", "karpenter.sh/capacity-type=spot"]},
}

term(key, operator, values) := {
	"expressions": [{"key": key, "operator": operator, "values": values}],
	"path": term_path,
}

tolerating(toleration, terms) := request({"tolerations": [toleration], "node_affinity": terms})

everything := {"operator": "Exists"}

gke_taint := {"key": gke, "operator": "Equal", "value": "true", "effect": "NoSchedule"}

with_nodes(document, keys) := object.union(document, {"related": {"nodes": {"label_keys": keys}}})

found(document) := violations if violations := policy.violation with input as document

test_nothing_asked_passes if {
	found(request({})) == set()
	found(request({"node_selector": {"example.com/pool": "data", karpenter: "on-demand"}})) == set()
	found(request({"node_affinity": [term(karpenter, "In", ["on-demand"])]})) == set()
}

test_spot_selector_fails if {
	some v in found(request({"node_selector": {gke: "true"}}))
	contains(v.msg, "StatefulSet pg asks for spot nodes (cloud.google.com/gke-spot=true)")
	v.path == array.concat(spec, ["nodeSelector", gke])
}

test_spot_affinity_fails if {
	some v in found(request({"node_affinity": [term(karpenter, "In", ["spot"])]}))
	v.path == term_path
	contains(v.fix, "karpenter.sh/capacity-type=spot")
}

test_spot_as_one_of_several_fails if {
	count(found(request({"node_affinity": [term(karpenter, "In", ["on-demand", "spot"])]}))) == 1
}

test_spot_in_one_of_two_terms_fails if {
	terms := [term(karpenter, "In", ["on-demand"]), term(karpenter, "In", ["spot"])]
	count(found(request({"node_affinity": terms}))) == 1
}

test_toleration_fails if {
	some v in found(tolerating(gke_taint, []))
	contains(v.msg, "since it tolerates cloud.google.com/gke-spot=true")
	endswith(v.fix, "by node affinity: {key: cloud.google.com/gke-spot, operator: NotIn, values: [\"true\"]}")
	v.path == array.concat(spec, ["tolerations", 0])
}

test_toleration_by_existence_fails if count(found(tolerating({"key": gke, "operator": "Exists"}, []))) == 1

test_toleration_without_operator_means_equal if {
	count(found(tolerating({"key": gke, "value": "true"}, []))) == 1
	found(tolerating({"key": gke, "value": "false"}, [])) == set()
}

test_other_tolerations_pass if {
	found(tolerating({"key": "example.com/data", "operator": "Exists"}, [])) == set()
	found(tolerating(object.union(gke_taint, {"effect": "NoExecute"}), [])) == set()
	found(tolerating(object.union(everything, {"effect": "NoExecute"}), [])) == set()
}

test_toleration_with_spot_excluded_passes if {
	found(tolerating(gke_taint, [term(gke, "DoesNotExist", [])])) == set()
	found(tolerating(gke_taint, [term(gke, "NotIn", ["true"])])) == set()
	found(tolerating(gke_taint, [term(karpenter, "In", ["on-demand"])])) == set()
	selected := request({"tolerations": [gke_taint], "node_selector": {karpenter: "on-demand"}})
	found(selected) == set()
}

test_exclusion_must_hold_in_every_term if {
	terms := [term(gke, "DoesNotExist", []), term("example.com/pool", "In", ["data"])]
	count(found(tolerating(gke_taint, terms))) == 1
	count(found(tolerating(gke_taint, [term(gke, "Exists", [])]))) == 1
	count(found(tolerating(gke_taint, [term(karpenter, "NotIn", ["on-demand"])]))) == 1
}

test_blanket_toleration_fails if {
	some v in found(tolerating(everything, []))
	contains(v.msg, "it tolerates every taint")
	endswith(v.fix, "label of your cloud's spot nodes (cloud.google.com/gke-spot=true or karpenter.sh/capacity-type=spot)")
}

test_blanket_toleration_passes_where_no_node_is_spot if {
	found(with_nodes(tolerating(everything, []), ["kubernetes.io/hostname"])) == set()
	count(found(with_nodes(tolerating(everything, []), ["kubernetes.io/hostname", gke]))) == 1
}

test_a_label_that_only_spot_nodes_have_fails_without_its_value if {
	count(found(request({"node_affinity": [term(gke, "Exists", [])]}))) == 1
	found(request({"node_affinity": [term(karpenter, "Exists", [])]})) == set()
}

test_what_keeps_no_data_passes if {
	document := request({"node_selector": {gke: "true"}})
	found(object.union(document, {"workload": {"engine": false, "containers": []}})) == set()
}
