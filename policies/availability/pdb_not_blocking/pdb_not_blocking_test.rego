package stategate.availability.pdb_not_blocking_test

import data.stategate.availability.pdb_not_blocking as policy

workload(replicas) := {"kind": "StatefulSet", "name": "pg", "class": "durable", "replicas": replicas}

budget(amounts) := object.union({"path": ["spec"]}, amounts)

on_budget(amounts, workloads) := {
	"workload": {"kind": "PodDisruptionBudget", "name": "pg", "disruption_budget": budget(amounts)},
	"related": {"workloads": workloads},
	"parameters": {"min_replicas": 2},
}

on_workload(replicas, pdbs) := {
	"workload": workload(replicas),
	"related": {"pdbs": pdbs},
	"parameters": {"min_replicas": 2},
}

pdb(amounts) := object.union({"name": "pg"}, amounts)

found(document) := violations if violations := policy.violation with input as document

test_one_at_a_time_passes if {
	found(on_budget({"max_unavailable": 1}, [workload(3)])) == set()
	found(on_budget({"min_available": 2}, [workload(3)])) == set()
	found(on_workload(3, [pdb({"max_unavailable": 1})])) == set()
	found(on_workload(3, [])) == set()
}

test_none_at_a_time_fails if {
	some v in found(on_budget({"max_unavailable": 0}, [workload(3)]))
	v.msg == "PodDisruptionBudget pg (maxUnavailable 0) lets none of the 3 pods of pg be evicted: node drains hang"
	v.path == ["spec", "maxUnavailable"]
	count(found(on_budget({"max_unavailable": "0%"}, [workload(3)]))) == 1
}

test_all_must_stay_fails if {
	some v in found(on_budget({"min_available": 3}, [workload(3)]))
	v.path == ["spec", "minAvailable"]
	every amount in [4, "100%", "90%"] {
		count(found(on_budget({"min_available": amount}, [workload(3)]))) == 1
	}
}

test_pods_of_all_its_workloads_count if {
	other := object.union(workload(3), {"name": "pg-read"})
	found(on_budget({"min_available": 3}, [workload(3), other])) == set()
	count(found(on_budget({"min_available": 6}, [workload(3), other]))) == 1
}

test_unknown_number_of_pods_is_not_judged if {
	found(on_budget({"min_available": 3}, [workload(3), {"kind": "DaemonSet", "name": "agent", "class": "durable"}])) == set()
}

test_single_replica_passes if {
	found(on_budget({"max_unavailable": 0}, [workload(1)])) == set()
	found(on_workload(1, [pdb({"max_unavailable": 0})])) == set()
}

test_stateless_workloads_and_nothing_pass if {
	found(on_budget({"max_unavailable": 0}, [object.union(workload(3), {"class": "none"})])) == set()
	found(on_budget({"max_unavailable": 0}, [])) == set()
}

test_workload_under_a_blocking_budget_fails if {
	some v in found(on_workload(3, [pdb({"max_unavailable": 0})]))
	v.msg == "PodDisruptionBudget pg (maxUnavailable 0) lets none of the 3 pods of StatefulSet pg be evicted: node drains hang"
	v.path == ["spec", "replicas"]
	contains(v.fix, "into PodDisruptionBudget pg")
	found(on_workload(3, [pdb({"max_unavailable": 1})])) == set()
}

test_workload_whose_pods_must_all_stay_fails if {
	some v in found(on_workload(3, [pdb({"min_available": 3, "pods": 3, "workloads": 1})]))
	v.msg == "PodDisruptionBudget pg (minAvailable 3) lets none of the 3 pods of StatefulSet pg be evicted: node drains hang"
	v.fix == "Write maxUnavailable: 1 in place of minAvailable into PodDisruptionBudget pg"
	found(on_workload(5, [pdb({"min_available": 3, "pods": 5, "workloads": 1})])) == set()
}

test_minimum_is_over_the_pods_of_others_too if {
	found(on_workload(3, [pdb({"min_available": 3, "pods": 6, "workloads": 2})])) == set()
	some v in found(on_workload(3, [pdb({"min_available": 6, "pods": 6, "workloads": 2})]))
	contains(v.msg, "none of the 6 pods of StatefulSet pg and other workloads be evicted")
}

test_minimum_over_unknown_pods_is_not_judged if found(on_workload(3, [pdb({"min_available": 3})])) == set()

test_budget_that_is_judged_itself_is_told_there if {
	blocking := pdb({"max_unavailable": 0, "reviewed": true})
	found(on_workload(3, [blocking])) == set()
	count(found(on_workload(3, [object.union(blocking, {"reviewed": false})]))) == 1
}

test_budget_of_an_operator_passes if {
	found(on_workload(3, [pdb({"max_unavailable": 0, "owner": {"kind": "Cluster", "name": "pg"}})])) == set()
}

test_budget_without_a_number_fails if {
	some v in found(on_budget({}, [workload(3)]))
	contains(v.msg, "(neither minAvailable nor maxUnavailable) lets none of the 3 pods of pg be evicted")
	v.path == ["spec", "maxUnavailable"]
	v.fix == "Write maxUnavailable: 1 into its spec"
	count(found(on_workload(3, [pdb({})]))) == 1
}

test_fix_never_asks_for_both if {
	some v in found(on_budget({"min_available": 3}, [workload(3)]))
	v.fix == "Write maxUnavailable: 1 in place of minAvailable into its spec"
}

patched(document) := patches if patches := policy.patch with input as document

test_budget_is_rewritten_in_files if {
	operations := {
		{"op": "remove", "path": ["spec", "minAvailable"]},
		{"op": "add", "path": ["spec", "maxUnavailable"], "value": 1},
	}
	patched(on_budget({"min_available": 3}, [workload(3)])) == operations
	patched(on_budget({}, [workload(3)])) == operations
	patched(on_budget({"min_available": 2}, [workload(3)])) == set()
	patched(on_workload(3, [pdb({"max_unavailable": 0})])) == set()
}
