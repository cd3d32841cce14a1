package stategate.lib.backup_jobs_test

import data.stategate.lib.backup_jobs

job(name, image, command) := {"workload": {
	"kind": "CronJob",
	"name": name,
	"containers": [{"name": "main", "image_name": image, "command": command, "args": []}],
}}

backs_up(document) if backup_jobs.makes_backups with input as document

test_names_and_tools_say_so if {
	backs_up(job("orders-backup", "busybox:1.37", ["run"]))
	backs_up(job("nightly", "postgres:17.6", ["sh", "-c", "pg_dump -Fc -h orders shop > /out/shop.dump"]))
	backs_up(job("nightly", "restic/restic:0.18.0", []))
	backs_up(job("nightly", "cassandra:5.0", ["sh", "-c", "nodetool -h cass snapshot"]))
	backs_up(job("nightly", "alpine:3.22", ["sh", "-c", "borg create /r::x /d"]))
}

test_others_do_not if {
	not backs_up(job("report", "python:3.13", ["report.py"]))
	not backs_up(job("backup-cleanup", "busybox:1.37", ["find", "/backup", "-delete"]))
	not backs_up(object.union(job("orders-backup", "busybox:1.37", []), {"workload": {"kind": "Job"}}))
}
