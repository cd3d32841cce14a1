package stategate.availability.pdb_unhealthy_eviction_policy_test

import data.stategate.availability.pdb_unhealthy_eviction_policy as policy

workload(class, quorum) := {"kind": "StatefulSet", "name": "etcd", "class": class, "engine": {"name": "etcd", "quorum": quorum}}

request(fields, workloads) := {
	"workload": {"name": "etcd", "disruption_budget": object.union({"path": ["spec"]}, fields)},
	"related": {"workloads": workloads},
}

always := {"unhealthy_pod_eviction_policy": "AlwaysAllow"}

found(document) := violations if violations := policy.violation with input as document

test_default_passes if {
	found(request({}, [workload("durable", true)])) == set()
	found(request({"unhealthy_pod_eviction_policy": "IfHealthyBudget"}, [workload("durable", true)])) == set()
}

test_always_allow_fails if {
	some v in found(request(always, [workload("durable", true)]))
	v.msg == "PodDisruptionBudget etcd lets members of etcd be evicted while they catch up: a lost quorum stays lost"
	v.path == ["spec", "unhealthyPodEvictionPolicy"]
}

test_without_quorum_passes if found(request(always, [workload("durable", false)])) == set()

test_stateless_passes if {
	found(request(always, [{"kind": "Deployment", "name": "web", "class": "none"}])) == set()
	found(request(always, [workload("cache", true)])) == set()
}

patched(document) := patches if patches := policy.patch with input as document

test_policy_is_replaced_in_files if {
	patched(request(always, [workload("durable", true)])) == {{
		"op": "replace",
		"path": ["spec", "unhealthyPodEvictionPolicy"],
		"value": "IfHealthyBudget",
	}}
	patched(request(always, [workload("durable", false)])) == set()
}
