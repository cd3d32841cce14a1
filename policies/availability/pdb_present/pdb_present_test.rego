package stategate.availability.pdb_present_test

import data.stategate.availability.pdb_present as policy

request(replicas, pdbs) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"namespace": "shop",
		"replicas": replicas,
		"engine": {"name": "postgres"},
		"pods": {"labels": {"app": "pg", "tier": "db"}, "selector": {"matchLabels": {"app": "pg", "tier": "db"}}},
	},
	"related": {"pdbs": pdbs, "other_pdbs": []},
	"parameters": {"min_replicas": 2, "role_labels": ["role", "spilo-role"]},
}

found(document) := violations if violations := policy.violation with input as document

test_budget_passes if found(request(3, [{"name": "pg", "max_unavailable": 1}])) == set()

test_no_budget_fails if {
	some v in found(request(3, []))
	v.msg == "no PodDisruptionBudget selects the pods of StatefulSet pg: draining nodes may evict all 3 at once"
	v.fix == "kubectl create poddisruptionbudget pg --namespace=shop --selector=app=pg,tier=db --max-unavailable=1"
}

test_budget_that_is_not_seen_is_not_missed if {
	found(object.union(request(3, []), {"related": {"counterpart_unseen": true}})) == set()
	count(found(object.union(request(3, []), {"related": {"counterpart_unseen": false}}))) == 1
}

beside(selector) := object.union(request(3, []), {"related": {"other_pdbs": [{"name": "pg", "selector": selector}]}})

test_budget_of_a_role_passes if {
	found(beside({"matchLabels": {"app": "pg", "role": "primary"}})) == set()
	found(beside({"matchLabels": {"app": "pg", "tier": "db", "spilo-role": "master"}})) == set()
}

test_budget_of_others_is_none if {
	every labels in [{"app": "shop", "role": "primary"}, {"app": "pg", "zone": "a"}, {"role": "primary"}, {}] {
		count(found(beside({"matchLabels": labels}))) == 1
	}
	expressions := [{"key": "app", "operator": "NotIn", "values": ["pg"]}]
	count(found(beside({"matchLabels": {"app": "pg", "role": "primary"}, "matchExpressions": expressions}))) == 1
}

test_selector_of_expressions_is_described if {
	document := request(3, [])
	workload := object.union(object.remove(document.workload, ["pods"]), {"pods": {"selector": {"matchExpressions": []}}})
	some v in found(object.union(object.remove(document, ["workload"]), {"workload": workload}))
	contains(v.fix, "the workload's own selector")
}

test_single_replica_passes if found(request(1, [])) == set()

test_unknown_budgets_are_no_violation if found(object.remove(request(3, []), ["related"])) == set()

test_files_of_a_web_server_pass if {
	server := {"engine": null, "containers": [{
		"name": "web",
		"image": {"repository": "library/nginx"},
		"mounts": [{"mount_path": "/srv", "volume": "www", "source": "persistentVolumeClaim", "read_only": false}],
	}]}
	document := object.union(request(3, []), {"workload": object.remove(server, ["engine"])})
	found(json.remove(document, ["workload/engine"])) == set()
}

test_who_shall_be_one_needs_no_budget if {
	sharing := {
		"workload": {
			"containers": [{"name": "pg", "mounts": [{"volume": "files", "mount_path": "/data", "read_only": false}]}],
			"volumes": [{"name": "files", "source": "persistentVolumeClaim", "claim": "shared"}],
			"claims": [{"name": "shared", "origin": "reference"}],
		},
		"related": {"pvcs": [{"name": "shared", "access_modes": ["ReadWriteOnce"]}]},
	}
	found(object.union(request(2, []), sharing)) == set()
	voting := object.union(sharing, {"workload": {"engine": {"name": "etcd", "votes": true}}})
	count(found(object.union(request(3, []), voting))) == 1
}
