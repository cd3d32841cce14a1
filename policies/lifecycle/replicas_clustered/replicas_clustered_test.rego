package stategate.lifecycle.replicas_clustered_test

import data.stategate.lifecycle.replicas_clustered as policy

request(replicas) := {"workload": {
	"name": "pg",
	"replicas": replicas,
	"engine": {"name": "postgres", "container": "postgres"},
	"annotations": {},
	"containers": [{
		"name": "postgres",
		"role": "main",
		"engine": "postgres",
		"image": {"registry": "docker.io", "repository": "library/postgres", "tag": "17.6"},
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"mounts": [],
	}],
}}

found(document) := violations if violations := policy.violation with input as document

test_one_passes if found(request(1)) == set()

test_several_fail if {
	some v in found(request(3))
	v.msg == "nothing joins the 3 replicas of StatefulSet pg: each is a separate postgres, without the others' data"
	v.path == ["spec", "replicas"]
	startswith(v.fix, "If it runs already, save each of the 3 first (pg_dumpall as a superuser")
	contains(v.fix, "for more than one, let an operator replicate it")
	made := object.union(request(3), {"workload": {"claims": [{"name": "data", "origin": "template"}]}})
	some w in found(made)
	endswith(w.fix, ", once the old claims of the others are gone (data-pg-1 and up)")
}

test_growing_from_one_has_nothing_to_dump if {
	some v in found(object.union(request(3), {"old_workload": {"replicas": 1}}))
	startswith(v.fix, "Keep replicas: 1; for more than one")
}

test_what_is_not_in_sight_passes if {
	found(object.union(request(3), {"workload": {"owner": {"kind": "Cluster"}}})) == set()
}

scaled_to(most) := object.union(request(1), {"related": {"autoscalers": [{
	"kind": "HorizontalPodAutoscaler",
	"name": "pg",
	"min": 1,
	"max": most,
}]}})

test_autoscaler_that_adds_replicas_fails if {
	some v in found(scaled_to(4))
	v.msg == concat("", [
		"HorizontalPodAutoscaler pg may run up to 4 replicas of StatefulSet pg, which nothing joins: ",
		"each is a separate, empty postgres",
	])
	startswith(v.fix, "Remove HorizontalPodAutoscaler pg; for more than one, let an operator")
	found(scaled_to(1)) == set()
	count(found(object.union(scaled_to(4), {"workload": {"replicas": 2}}))) == 1
}
