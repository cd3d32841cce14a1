package stategate.availability.pdb_selector_matches_test

import data.stategate.availability.pdb_selector_matches as policy

workload(name, class) := {"kind": "StatefulSet", "name": name, "class": class, "replicas": 3}

on_budget(selector, workloads) := {
	"workload": {
		"kind": "PodDisruptionBudget",
		"name": "pg",
		"namespace": "shop",
		"disruption_budget": {"selector": selector, "selects_all": selector == {}, "path": ["spec"]},
	},
	"related": {"workloads": workloads},
	"parameters": {"operator_labels": ["cnpg.io/*"], "inert_kinds": ["*.cert-manager.io"]},
}

on_workload(pdbs) := {
	"workload": {"kind": "StatefulSet", "name": "pg", "pods": {"path": ["spec", "template"]}},
	"related": {"pdbs": [{"name": name} | some name in pdbs]},
	"parameters": {"operator_labels": []},
}

found(document) := violations if violations := policy.violation with input as document

test_one_for_one_passes if {
	found(on_budget({"matchLabels": {"app": "pg"}}, [workload("pg", "durable")])) == set()
	found(on_workload(["pg"])) == set()
	found(on_workload([])) == set()
}

test_budget_of_a_chart_s_component_passes if {
	selector := {"matchLabels": {"app.kubernetes.io/component": "broker"}}
	by_hand := on_budget(selector, [])
	count(found(by_hand)) == 1
	found(object.union(by_hand, {"workload": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}})) == set()
	found(object.union(by_hand, {"workload": {"labels": {"helm.sh/chart": "kafka-1.0.0"}}})) == set()
	other := on_budget({"matchLabels": {"app": "pg"}}, [])
	count(found(object.union(other, {"workload": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}))) == 1
}

test_budget_without_pods_fails if {
	some v in found(on_budget({"matchLabels": {"app": "postgres"}}, []))
	startswith(v.msg, "PodDisruptionBudget pg selects no workload that is known in namespace shop")
	v.path == ["spec", "selector"]
}

test_workload_that_is_not_seen_is_not_missed if {
	on_unseen := object.union(
		on_budget({"matchLabels": {"app": "postgres"}}, []),
		{"related": {"counterpart_unseen": true}},
	)
	found(on_unseen) == set()
	seen := object.union(on_unseen, {"related": {"counterpart_unseen": false}})
	count(found(seen)) == 1
}

test_pods_of_a_custom_resource_are_not_known if {
	with_kinds := {kinds: found(object.union(
		on_budget({"matchLabels": {"app": "pg"}}, []),
		{"related": {"custom_resources": kinds}},
	)) |
		some kinds in [["NatsCluster.nats.example.org"], ["Certificate.cert-manager.io"]]
	}
	with_kinds[["NatsCluster.nats.example.org"]] == set()
	count(with_kinds[["Certificate.cert-manager.io"]]) == 1
}

test_pods_of_an_operator_pass if {
	found(on_budget({"matchLabels": {"cnpg.io/cluster": "pg"}}, [])) == set()
	expression := {"key": "cnpg.io/cluster", "operator": "Exists"}
	found(on_budget({"matchExpressions": [expression]}, [])) == set()
	count(found(on_budget({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, []))) == 1
}

test_budget_over_everything_fails if {
	some v in found(on_budget({}, [workload("pg", "durable"), workload("web", "none")]))
	contains(v.msg, "selects every pod of namespace shop, those of StatefulSet pg among them")
}

test_budget_over_everything_of_one_workload_passes if {
	found(on_budget({}, [workload("pg", "durable")])) == set()
}

test_stateless_namespaces_pass if {
	found(on_budget({}, [workload("api", "none"), workload("web", "none")])) == set()
}

test_two_budgets_over_one_workload_fail if {
	some v in found(on_workload(["pg", "all"]))
	v.msg == "pods of StatefulSet pg are selected by the PodDisruptionBudgets all, pg: evicting them fails, and drains hang"
	v.path == ["spec", "template", "metadata", "labels"]
}

test_budget_that_allows_all_passes if {
	every bounds in [{"min_available": 0}, {"min_available": "0%"}, {"max_unavailable": "100%"}] {
		found(object.union(on_budget({"matchLabels": {"app": "x"}}, []), {"workload": {"disruption_budget": bounds}})) == set()
	}
	bounds := {"workload": {"disruption_budget": {"min_available": 1}}}
	count(found(object.union(on_budget({"matchLabels": {"app": "x"}}, []), bounds))) == 1
}
