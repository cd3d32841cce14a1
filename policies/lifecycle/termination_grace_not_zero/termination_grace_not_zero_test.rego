package stategate.lifecycle.termination_grace_not_zero_test

import data.stategate.lifecycle.termination_grace_not_zero as policy

request(kind, seconds) := {"workload": {
	"kind": kind,
	"name": "ledger",
	"replicas": 1,
	"termination_grace_seconds": seconds,
	"containers": [{"mounts": [{"source": "persistentVolumeClaim", "read_only": false}]}],
	"pods": {"spec_path": ["spec", "template", "spec"]},
}}

found(document) := violations if violations := policy.violation with input as document

test_zero_fails_whatever_runs if {
	some v in found(request("StatefulSet", 0))
	startswith(v.msg, "terminationGracePeriodSeconds 0 force-deletes every pod of StatefulSet ledger")
	v.path == ["spec", "template", "spec", "terminationGracePeriodSeconds"]
	contains(v.fix, "OnDelete")
	contains(v.fix, "--grace-period=60")
}

test_a_deployment_has_no_on_delete if {
	some v in found(request("Deployment", 0))
	contains(v.fix, "scale it to 0")
	some w in found(request("Pod", 0))
	w.fix == "Set terminationGracePeriodSeconds: 60 in the pod's spec"
}

test_one_second_waits_for_the_kubelet if found(request("StatefulSet", 1)) == set()
