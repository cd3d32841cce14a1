package stategate.backup.backup_live_files_test

import data.stategate.backup.backup_live_files as policy

store := {
	"claim": "data-pg-0",
	"kind": "StatefulSet",
	"name": "pg",
	"read_only": false,
	"holds_data": true,
	"replicas": 1,
	"engine": "postgres",
}

request(kind, consumer) := {
	"workload": {
		"kind": kind,
		"name": "files",
		"containers": [{"command": [], "args": [], "mounts": [{"volume": "pg", "read_only": true, "path": ["m"]}]}],
		"volumes": [{"name": "pg", "claim": "data-pg-0"}, {"name": "tmp"}],
	},
	"related": {"consumers": [consumer]},
}

found(document) := violations if violations := policy.violation with input as document

test_job_that_reads_live_files_fails if {
	some v in found(request("Job", store))
	v.msg == concat("", [
		"Job files reads the files of pg in claim data-pg-0 while it runs: ",
		"that is no backup, and it may wait for the volume",
	])
	v.path == ["m"]
	startswith(v.fix, "Copy its data over the network (pg_dumpall as a superuser")
	endswith(v.fix, ", or mount a claim made from a VolumeSnapshot")
}

test_cron_job_is_told_what_it_lacks if {
	some v in found(request("CronJob", store))
	endswith(v.fix, ", and set concurrencyPolicy: Forbid and activeDeadlineSeconds")
	spec := {"concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"activeDeadlineSeconds": 600}}}
	some w in found(object.union(request("CronJob", store), {"review": {"object": {"spec": spec}}}))
	endswith(w.fix, "made from a VolumeSnapshot")
}

test_stopped_store_and_other_files_pass if {
	found(request("Job", object.union(store, {"replicas": 0}))) == set()
	found(request("Job", object.union(store, {"holds_data": false}))) == set()
	found(request("Job", object.union(store, {"claim": "dumps"}))) == set()
}

test_writing_is_another_policy_s_matter if {
	writes := {"workload": {"containers": [{"mounts": [{"volume": "pg", "read_only": false, "path": ["m"]}]}]}}
	found(object.union(request("Job", store), writes)) == set()
}

runs(script) := found(object.union(request("CronJob", store), {"workload": {"containers": [{
	"command": ["sh", "-c"],
	"args": [script],
	"mounts": [{"volume": "pg", "read_only": true, "path": ["m"]}],
}]}}))

test_store_that_the_job_stops_passes if {
	runs("kubectl scale sts/pg --replicas=0 && kubectl wait --for=delete pod/pg-0 && tar czf /b/x /src") == set()
	runs("kubectl -n shop scale statefulset pg --replicas 0\nkubectl wait --for=delete pod -l app=pg\ntar c /src") == set()
	count(runs("kubectl scale sts/pg --replicas=0; tar czf /b/x /src")) == 1
	count(runs("kubectl scale sts/pg2 --replicas=0; kubectl wait --for=delete pod/pg2-0; tar czf /b/x /src")) == 1
	count(runs("kubectl scale sts/pg --replicas=01; kubectl wait --for=delete pod/pg-0; tar czf /b/x /src")) == 1
}

of_claim(name) := {
	"workload": {"volumes": [{"name": "pg", "claim": name}]},
	"related": {"consumers": [object.union(store, {"claim": name})]},
}

test_claim_of_a_pod_that_was_scaled_away_passes if {
	found(object.union(request("Job", store), of_claim("data-pg-1"))) == set()
	count(found(object.union(request("Job", store), of_claim("pg-1")))) == 1
}

test_numbers_may_start_elsewhere if {
	pod := {"claim": "data-pg-1", "kind": "Pod", "name": "pg-1", "owner": {"kind": "StatefulSet", "name": "pg"}}
	consumers := [object.union(store, {"claim": "data-pg-1"}), pod]
	document := object.union(request("Job", store), of_claim("data-pg-1"))
	count(found(object.union(document, {"related": {"consumers": consumers}}))) == 1
}
