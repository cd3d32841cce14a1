package stategate.lib.grace_test

import data.stategate.lib.grace

view(kind, seconds, replicas, source) := {"workload": {
	"kind": kind,
	"replicas": replicas,
	"termination_grace_seconds": seconds,
	"containers": [{"mounts": [{"source": source, "read_only": false}]}],
}}

test_zero_with_a_claim if {
	grace.forced with input as view("StatefulSet", 0, 3, "volumeClaimTemplate")
	grace.forced with input as view("Deployment", 0, 1, "persistentVolumeClaim")
	not grace.forced with input as view("StatefulSet", 1, 3, "volumeClaimTemplate")
}

test_nothing_is_written_twice_without_a_volume_that_stays if {
	not grace.forced with input as view("StatefulSet", 0, 3, "emptyDir")
}

test_pods_that_share_anyway if {
	shared := view("Deployment", 0, 2, "persistentVolumeClaim")
	not grace.forced with input as shared
	grace.forced with input as object.union(shared, {"workload": {"engine": {"name": "postgres"}}})
}
