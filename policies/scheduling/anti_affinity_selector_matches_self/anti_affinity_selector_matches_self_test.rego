package stategate.scheduling.anti_affinity_selector_matches_self_test

import data.stategate.scheduling.anti_affinity_selector_matches_self as policy

hostname := "kubernetes.io/hostname"

term(own) := {"required": true, "topology_key": hostname, "matches_self": own, "path": ["terms", 0]}

spread(own) := {
	"topology_key": "topology.kubernetes.io/zone",
	"max_skew": 1,
	"when_unsatisfiable": "DoNotSchedule",
	"matches_self": own,
	"path": ["spread", 0],
}

request(replicas, terms, constraints) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"replicas": replicas,
		"pods": {"selector": {"matchLabels": {"app": "pg"}}},
		"scheduling": {"anti_affinity": terms, "spread": constraints},
	},
	"parameters": {"min_replicas": 2},
}

found(document) := violations if violations := policy.violation with input as document

test_own_pods_pass if {
	found(request(3, [term(true)], [spread(true)])) == set()
	found(request(3, [], [])) == set()
}

test_term_that_selects_only_others_fails if {
	some v in found(request(3, [term(false)], []))
	contains(v.msg, "podAntiAffinity on kubernetes.io/hostname does not select the pods of StatefulSet pg itself")
	v.path == ["terms", 0]
	startswith(v.fix, `Set its labelSelector to {matchLabels: {"app":"pg"}}; if it is meant for other pods`)
}

test_term_for_another_workload_beside_one_of_its_own_passes if {
	found(request(3, [term(true), term(false)], [])) == set()
	found(request(3, [term(false)], [spread(true)])) == set()
}

test_constraint_that_counts_others_fails if {
	some v in found(request(3, [term(true)], [spread(false)]))
	contains(v.msg, "the spread constraint on topology.kubernetes.io/zone does not select")
	v.path == ["spread", 0]
}

test_both_wrong_are_both_told if count(found(request(3, [term(false)], [spread(false)]))) == 2

test_single_replica_passes if found(request(1, [term(false)], [spread(false)])) == set()

test_without_a_selector_the_template_s_labels_count if {
	document := request(3, [term(false)], [])
	some v in found(object.union(document, {"workload": {"pods": {"selector": {"matchLabels": null}}}}))
	contains(v.fix, "matchLabels: null")
	workload := object.union(object.remove(document.workload, ["pods"]), {"pods": {}})
	some w in found({"workload": workload, "parameters": document.parameters})
	contains(w.fix, "the labels of the pod template fit")
}
