package stategate.lifecycle.workload_no_bare_pod_test

import data.stategate.lifecycle.workload_no_bare_pod as policy

request(pods, overrides) := {"workload": object.union(
	{"kind": "Pod", "name": "pg", "pods": pods, "containers": containers("shop/app")},
	overrides,
)}

containers(repository) := [{
	"name": "app",
	"image": {"repository": repository},
	"mounts": [{"mount_path": "/srv", "volume": "files", "source": "persistentVolumeClaim", "read_only": false}],
}]

found(document) := violations if violations := policy.violation with input as document

test_bare_pod_fails if {
	some v in found(request({}, {}))
	v.msg == "pod pg has no controller: when its node fails, nothing brings it back"
	v.path == ["spec"]
	count(found(request({"restart_policy": "Always"}, {}))) == 1
}

test_owned_pod_passes if found(request({}, {"owner": {"kind": "StatefulSet", "name": "pg"}})) == set()

test_data_store_is_told_of_elsewhere if {
	found(request({}, {"engine": {"name": "postgres"}})) == set()
	count(found(request({}, {"engine": {"name": "prometheus"}}))) == 1
}

test_files_of_a_web_server_pass if found(request({}, {"containers": containers("library/nginx")})) == set()
