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

test_template_for_runs_by_hand_passes if {
	every schedule in [{"max_gap_seconds": 366 * 86400}, {}] {
		found(object.union(request("orders-backup", true), {"workload": {"backup": {"schedule": schedule}}})) == set()
	}
	every schedule in [{"max_gap_seconds": 31 * 86400}, {"error": "hour 25"}] {
		count(found(object.union(request("orders-backup", true), {"workload": {"backup": {"schedule": schedule}}}))) == 1
	}
}
