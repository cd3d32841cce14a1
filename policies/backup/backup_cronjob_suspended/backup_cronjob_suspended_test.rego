package stategate.backup.backup_cronjob_suspended_test

import data.stategate.backup.backup_cronjob_suspended as policy

request(name, suspend) := {
	"workload": {"kind": "CronJob", "name": name, "containers": []},
	"review": {"object": {"spec": {"suspend": suspend}}},
}

found(document) := violations if violations := policy.violation with input as document

test_suspended_backup_fails if {
	some v in found(request("orders-backup", true))
	v.msg == "CronJob orders-backup is suspended: it makes no backups until somebody resumes it"
	v.path == ["spec", "suspend"]
}

test_running_backup_and_other_jobs_pass if {
	found(request("orders-backup", false)) == set()
	found(request("report", true)) == set()
}
