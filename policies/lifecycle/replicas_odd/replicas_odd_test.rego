package stategate.lifecycle.replicas_odd_test

import data.stategate.lifecycle.replicas_odd as policy

workload(replicas, overrides) := object.union(
	{
		"name": "etcd",
		"replicas": replicas,
		"engine": {"name": "etcd", "container": "etcd", "quorum": true, "votes": true},
	},
	overrides,
)

request(workload_now) := {"workload": workload_now, "parameters": {"odd_engines": ["etcd", "rabbitmq"]}}

update(old, new) := object.union(request(workload(new, {})), {"old_workload": workload(old, {})})

found(document) := violations if violations := policy.violation with input as document

test_odd_passes if {
	found(request(workload(3, {}))) == set()
	found(request(workload(5, {}))) == set()
}

test_even_fails if {
	some v in found(request(workload(4, {})))
	v.msg == "StatefulSet etcd has 4 members, and lives through no more failures than 3 would"
	v.path == ["spec", "replicas"]
	startswith(v.fix, "For 3 members, run etcdctl member remove ID")
	endswith(v.fix, ", then set replicas to 3")
}

test_too_few_are_another_policy_s_matter if {
	found(request(workload(2, {}))) == set()
	found(request(workload(0, {}))) == set()
}

test_engines_that_elect_among_some_pass if {
	found(request(workload(4, {"engine": {"name": "kafka"}}))) == set()
}

test_declared_without_majority_passes if found(request(workload(4, {"engine": {"quorum": false, "votes": false}}))) == set()

test_members_that_do_not_vote_pass if {
	arbiters := {"engine": {"votes": false}}
	found(request(workload(4, arbiters))) == set()
}

test_on_the_way_passes if {
	found(update(3, 4)) == set()
	found(update(5, 4)) == set()
}

test_staying_even_fails if {
	count(found(update(4, 4))) == 1
	count(found(update(2, 4))) == 1
}
