package stategate.lifecycle.workload_no_bare_pod_test

import data.stategate.lifecycle.workload_no_bare_pod as policy

request(spec, overrides) := {
	"review": {"object": {"spec": spec}},
	"workload": object.union({"kind": "Pod", "name": "pg"}, overrides),
}

found(document) := violations if violations := policy.violation with input as document

test_bare_pod_fails if {
	some v in found(request({}, {}))
	v.msg == "pod pg has no controller: when its node fails, nothing brings it back"
	v.path == ["spec"]
	count(found(request({"restartPolicy": "Always"}, {}))) == 1
}

test_pod_that_ends_passes if {
	found(request({"restartPolicy": "Never"}, {})) == set()
	found(request({"restartPolicy": "OnFailure"}, {})) == set()
}

test_owned_pod_passes if found(request({}, {"owner": {"kind": "StatefulSet", "name": "pg"}})) == set()
