package stategate.storage.pvc_single_consumer_test

import data.stategate.storage.pvc_single_consumer as policy

consumer(kind, name, claim) := {
	"claim": claim,
	"kind": kind,
	"name": name,
	"class": "durable",
	"read_only": false,
	"holds_data": false,
	"replicas": 1,
	"reviewed": false,
}

request(kind, claim, consumers) := {
	"workload": {
		"kind": kind,
		"name": "restore",
		"containers": [{"name": "restore", "mounts": [{"volume": "data", "mount_path": "/data", "read_only": false}]}],
		"volumes": [{"name": "data", "source": "persistentVolumeClaim", "claim": claim}],
		"claims": [{"name": claim, "origin": "reference", "path": ["spec", "volumes", 0]}],
	},
	"related": {"consumers": consumers},
	"parameters": {"allow_jobs": false},
}

found(document) := violations if violations := policy.violation with input as document

set_of_pg := consumer("StatefulSet", "pg", "data-pg-0")

test_nobody_else_passes if found(request("Job", "data-pg-0", [])) == set()

test_job_on_the_claim_of_a_replica_fails if {
	some v in found(request("Job", "data-pg-0", [set_of_pg]))
	v.msg == "claim data-pg-0 is written by StatefulSet pg already: a second writer corrupts its data"
	v.path == ["spec", "volumes", 0]
	startswith(v.fix, "To back up, copy its data out (use its own backup tool")
	endswith(v.fix, "; to restore, stop StatefulSet pg first")
}

data_store(consumers) := object.union(
	request("Deployment", "orders", consumers),
	{"workload": {"engine": {"name": "mongodb", "data_dirs": [{
		"dir": "/data",
		"container": "restore",
		"mount": {"volume": "data", "source": "persistentVolumeClaim"},
	}]}}},
)

test_part_of_a_claim_may_be_one_s_own if {
	mounts := [
		{"volume": "data", "mount_path": "/data", "sub_path": "tools", "read_only": false},
		{"volume": "data", "mount_path": "/all", "read_only": true},
	]
	part := {"workload": {"containers": [{"name": "restore", "mounts": mounts}]}}
	some v in found(object.union(request("Deployment", "data-pg-0", [set_of_pg]), part))
	v.msg == "claim data-pg-0 is written by StatefulSet pg already: two writers of the same files corrupt them"
	startswith(v.fix, "Give it a claim of its own, or see that both mount a subPath of their own; to start it on a copy of data-pg-0")
	some w in found(object.union(request("Job", "data-pg-0", [set_of_pg]), part))
	startswith(w.fix, "To back up")
}

test_own_data_fails if count(found(data_store([consumer("Deployment", "tools", "orders")]))) == 1

test_shared_files_pass if found(request("Deployment", "uploads", [consumer("Deployment", "worker", "uploads")])) == set()

test_claim_that_a_stateful_set_only_names_is_no_replicas_own if {
	found(request("Deployment", "uploads", [consumer("StatefulSet", "wiki", "uploads")])) == set()
}

test_other_that_only_reads_passes if {
	found(request("Job", "data-pg-0", [object.union(set_of_pg, {"read_only": true})])) == set()
}

test_reading_passes if {
	document := request("Job", "data-pg-0", [set_of_pg])
	mounts := [{"volume": "data", "mount_path": "/data", "read_only": true}]
	found(object.union(document, {"workload": {"containers": [{"name": "restore", "mounts": mounts}]}})) == set()
}

test_other_that_is_scaled_to_zero_passes if {
	found(request("Job", "data-pg-0", [object.union(set_of_pg, {"replicas": 0})])) == set()
}

test_scaled_to_zero_passes if {
	document := data_store([consumer("Deployment", "tools", "orders")])
	found(object.union(document, {"workload": {"replicas": 0}})) == set()
}

test_jobs_may_be_allowed if {
	document := request("CronJob", "data-pg-0", [set_of_pg])
	count(found(document)) == 1
	found(object.union(document, {"parameters": {"allow_jobs": true}})) == set()
}

test_jobs_that_are_there_are_not_counted if {
	every kind in ["Job", "CronJob", "Pod"] {
		found(data_store([consumer(kind, "seed", "orders")])) == set()
	}
}

own_replicas(consumers) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"containers": [],
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data"}],
		"claims": [{"name": "data", "origin": "template", "path": ["spec", "volumeClaimTemplates", 0]}],
	},
	"related": {"consumers": consumers},
	"parameters": {"allow_jobs": false},
}

test_stateful_set_whose_claims_are_in_use_fails if {
	some v in found(own_replicas([consumer("Deployment", "tools", "data-pg-1")]))
	contains(v.msg, "claim data-pg-1 is written by Deployment tools")
	v.path == ["spec", "volumeClaimTemplates"]
}

store_of_orders := object.union(consumer("Deployment", "orders", "orders"), {"engine": "mongodb", "holds_data": true})

test_job_that_writes_beside_a_data_store_fails if {
	some v in found(request("CronJob", "orders", [store_of_orders]))
	v.msg == "claim orders is written by Deployment orders already: a second writer corrupts its data"
	found(request("CronJob", "orders", [object.union(store_of_orders, {"holds_data": false})])) == set()
}

test_cron_job_runs_once_at_a_time if {
	some v in found(request("CronJob", "orders", [store_of_orders]))
	contains(v.fix, "see that it ends without an error) or mount a claim made from a VolumeSnapshot, with concurrencyPolicy: Forbid")
}

test_other_workload_gets_its_own_claim if {
	some v in found(request("Deployment", "data-pg-0", [set_of_pg]))
	startswith(v.fix, "Give it a claim of its own")
}

test_of_a_bundle_the_intruder_is_told if {
	tools := object.union(consumer("Deployment", "tools", "orders"), {"reviewed": true})
	found(data_store([tools])) == set()
	count(found(request("Deployment", "orders", [object.union(store_of_orders, {"reviewed": true})]))) == 1
	replica := object.union(set_of_pg, {"reviewed": true})
	count(found(request("Deployment", "data-pg-0", [replica]))) == 1
}

test_of_two_data_stores_in_a_bundle_one_is_told if {
	later := object.union(store_of_orders, {"name": "shipping", "reviewed": true})
	found(data_store([later])) == set()
	count(found(data_store([object.union(later, {"name": "archive"})]))) == 1
}

test_all_writers_of_a_claim_are_one_finding if {
	tools := object.union(consumer("Deployment", "tools", "data-pg-0"), {"holds_data": true})
	messages([set_of_pg, tools]) == {
		"claim data-pg-0 is written by Deployment tools and StatefulSet pg already: a second writer corrupts its data",
	}
	messages([set_of_pg, tools, object.union(tools, {"name": "more"})]) == {
		"claim data-pg-0 is written by Deployment more and 2 others already: a second writer corrupts its data",
	}
}

messages(consumers) := {v.msg | some v in found(request("Job", "data-pg-0", consumers))}
