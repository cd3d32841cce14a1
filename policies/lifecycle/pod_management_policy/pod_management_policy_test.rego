package stategate.lifecycle.pod_management_policy_test

import data.stategate.lifecycle.pod_management_policy as policy

request(operation, overrides) := {
	"review": {"operation": operation},
	"workload": object.union(
		{
			"name": "etcd",
			"namespace": "shop",
			"replicas": 3,
			"pod_management": "OrderedReady",
			"engine": {"name": "etcd", "container": "etcd"},
			"containers": [{"name": "metrics"}, {"name": "etcd", "readiness": {"period": 10}}],
		},
		overrides,
	),
	"parameters": {"parallel_engines": ["etcd", "rabbitmq"]},
}

found(document) := violations if violations := policy.violation with input as document

test_parallel_passes if found(request("CREATE", {"pod_management": "Parallel"})) == set()

test_ordered_fails if {
	some v in found(request("CREATE", {}))
	contains(v.msg, "the first pod of etcd waits for the others")
	v.path == ["spec", "podManagementPolicy"]
	v.fix == "Set podManagementPolicy: Parallel"
}

test_one_that_exists_is_replaced if {
	some v in found(request("UPDATE", {}))
	startswith(v.fix, "kubectl delete statefulset etcd -n shop --cascade=orphan, then apply it")
}

test_other_engines_pass if found(request("CREATE", {"engine": {"name": "postgres"}})) == set()

test_one_replica_waits_for_nobody if found(request("CREATE", {"replicas": 1})) == set()

test_without_a_probe_it_is_ready_at_once if {
	found(request("CREATE", {"containers": [{"name": "etcd"}]})) == set()
}
