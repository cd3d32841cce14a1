package stategate.availability.pdb_quorum_safe_test

import data.stategate.availability.pdb_quorum_safe as policy

workload(replicas) := {
	"kind": "StatefulSet",
	"name": "etcd",
	"class": "durable",
	"replicas": replicas,
	"engine": {"name": "etcd", "quorum": true, "votes": true},
}

on_budget(amounts, workloads) := {
	"workload": {
		"kind": "PodDisruptionBudget",
		"name": "etcd",
		"disruption_budget": object.union({"path": ["spec"]}, amounts),
	},
	"related": {"workloads": workloads},
}

on_workload(subject, amounts) := {
	"workload": subject,
	"related": {"pdbs": [object.union({"name": "etcd"}, amounts)]},
}

found(document) := violations if violations := policy.violation with input as document

test_majority_stays if {
	found(on_budget({"max_unavailable": 1}, [workload(3)])) == set()
	found(on_budget({"max_unavailable": 2}, [workload(5)])) == set()
	found(on_budget({"min_available": "51%"}, [workload(5)])) == set()
	found(on_workload(workload(3), {"max_unavailable": 1})) == set()
}

test_majority_gone_fails if {
	some v in found(on_budget({"max_unavailable": 2}, [workload(3)]))
	v.msg == "PodDisruptionBudget etcd (maxUnavailable 2) lets 2 of the 3 members of StatefulSet etcd be evicted at once, but it needs a majority of 2"
	v.path == ["spec", "maxUnavailable"]
}

test_percentages_are_rounded_up if {
	count(found(on_budget({"max_unavailable": "34%"}, [workload(3)]))) == 1
	found(on_budget({"max_unavailable": "33%"}, [workload(3)])) == set()
}

test_more_than_there_are_is_all_of_them if {
	some v in found(on_budget({"max_unavailable": 9}, [workload(3)]))
	contains(v.msg, "lets 3 of the 3 members")
}

test_workload_under_a_careless_budget_fails if {
	some v in found(on_workload(workload(5), {"max_unavailable": 3}))
	contains(v.msg, "lets 3 of the 5 members of StatefulSet etcd be evicted at once")
	v.path == ["spec", "replicas"]
	contains(v.fix, "into PodDisruptionBudget etcd")
}

test_without_quorum_passes if {
	cassandra := object.union(workload(3), {"engine": {"name": "cassandra", "quorum": false, "votes": false}})
	found(on_budget({"max_unavailable": 2}, [cassandra])) == set()
	found(on_workload(object.remove(workload(3), ["engine"]), {"max_unavailable": 2})) == set()
}

test_fewer_than_three_members_pass if found(on_budget({"max_unavailable": 1}, [workload(2)])) == set()

test_shared_budget_is_not_judged if {
	found(on_budget({"max_unavailable": 2}, [workload(3), workload(3)])) == set()
	found(on_workload(workload(5), {"min_available": 2})) == set()
	found(on_workload(workload(5), {"min_available": 2, "pods": 8, "workloads": 2})) == set()
}

test_minimum_over_this_workload_alone_is_judged if {
	some v in found(on_workload(workload(5), {"min_available": 2, "pods": 5, "workloads": 1}))
	contains(v.msg, "(minAvailable 2) lets 3 of the 5 members of StatefulSet etcd be evicted at once")
}

test_members_without_a_vote_pass if {
	brokers := object.union(workload(3), {"engine": {"name": "kafka", "quorum": true, "votes": false}})
	found(on_budget({"max_unavailable": 2}, [brokers])) == set()
	found(on_workload(brokers, {"max_unavailable": 2})) == set()
}

test_budget_that_is_judged_itself_is_told_there if {
	found(on_workload(workload(5), {"max_unavailable": 3, "reviewed": true})) == set()
}

test_what_is_not_durable_passes if {
	found(on_budget({"max_unavailable": 2}, [object.union(workload(3), {"class": "cache"})])) == set()
}

test_budget_of_an_operator_passes if {
	found(on_workload(workload(3), {"max_unavailable": 2, "owner": {"kind": "Etcd", "name": "etcd"}})) == set()
}

test_fix_never_asks_for_both if {
	some v in found(on_budget({"min_available": 1}, [workload(3)]))
	v.fix == "Write maxUnavailable: 1 in place of minAvailable into its spec"
}

patched(document) := patches if patches := policy.patch with input as document

test_budget_is_rewritten_in_files if {
	operations := {
		{"op": "remove", "path": ["spec", "minAvailable"]},
		{"op": "add", "path": ["spec", "maxUnavailable"], "value": 1},
	}
	patched(on_budget({"min_available": 1}, [workload(3)])) == operations
	patched(on_budget({"max_unavailable": 1}, [workload(3)])) == set()
	patched(on_workload(workload(5), {"max_unavailable": 3})) == set()
}
