package stategate.scheduling.scheduling_unreachable_toleration_test

import data.stategate.scheduling.scheduling_unreachable_toleration as policy

spec := ["spec", "template", "spec"]

unreachable := {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}

request(tolerations) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"pods": {"spec_path": spec},
		"scheduling": {"tolerations": tolerations},
	},
	"parameters": {"max_seconds": 300},
}

found(document) := violations if violations := policy.violation with input as document

test_nothing_tolerated_passes if found(request([])) == set()

test_short_wait_passes if found(request([object.union(unreachable, {"tolerationSeconds": 30})])) == set()

test_default_wait_passes if found(request([object.union(unreachable, {"tolerationSeconds": 300})])) == set()

test_no_limit_fails if {
	some v in found(request([unreachable]))
	v.msg == "StatefulSet pg tolerates node.kubernetes.io/unreachable without limit: so long a pod on a lost node is not even given up, and none takes over"
	v.path == array.concat(spec, ["tolerations", 0])
	contains(v.fix, "300 or less")
	count(found(request([object.union(unreachable, {"tolerationSeconds": null})]))) == 1
}

test_long_wait_fails if {
	not_ready := {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 3600}
	some v in found(request([not_ready]))
	contains(v.msg, "tolerates node.kubernetes.io/not-ready for 3600 s")
}

test_every_taint_fails if {
	some v in found(request([{"operator": "Exists"}]))
	contains(v.msg, "tolerates every taint without limit")
}

test_other_taints_pass if {
	found(request([{"key": "example.com/data", "operator": "Exists"}])) == set()
	found(request([{"key": "example.com/data", "operator": "Exists", "effect": "NoExecute"}])) == set()
}

test_not_being_scheduled_there_is_another_matter if {
	found(request([object.union(unreachable, {"effect": "NoSchedule"})])) == set()
	found(request([{"operator": "Exists", "effect": "NoSchedule"}])) == set()
}

test_a_wait_that_keeps_a_second_writer_off_passes if {
	deployment := object.union(request([unreachable]), {"workload": {"kind": "Deployment"}})
	count(found(deployment)) == 1
	found(object.union(deployment, {"workload": {"claims": [{"origin": "reference"}]}})) == set()
	count(found(object.union(request([unreachable]), {"workload": {"claims": [{"origin": "reference"}]}}))) == 1
}
