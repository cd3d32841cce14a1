package stategate.backup.backup_schedule_valid_test

import data.stategate.backup.backup_schedule_valid as policy

hour := 3600

day := 86400

path := ["metadata", "annotations", "stategate.io/backup-schedule"]

every_hours(hours) := {"text": sprintf("@every %dh", [hours]), "max_gap_seconds": hours * hour, "path": path}

backup(overrides) := object.union({"methods": ["velero"], "errors": []}, overrides)

request(workload) := {
	"workload": workload,
	"parameters": {
		"max_gap": {"prod": day, "staging": 7 * day},
		"continuous_methods": ["operator"],
		"max_base_gap": 7 * day,
	},
}

found(document) := violations if violations := policy.violation with input as document

of_backup(overrides) := found(request({"backup": backup(overrides)}))

test_frequent_enough_passes if of_backup({"schedule": every_hours(6), "rpo_seconds": 6 * hour}) == set()

test_no_schedule_passes if of_backup({}) == set()

test_unreadable_schedule_fails if {
	schedule := {"text": "0 25 * * *", "error": "25 is not an hour", "path": path}
	some v in of_backup({"schedule": schedule})
	v.msg == "backup schedule 0 25 * * * cannot be read, so nothing is backed up: 25 is not an hour"
	v.path == path
}

test_schedule_that_never_comes_fails if {
	violations := of_backup({"schedule": {"text": "0 3 31 2 *", "path": path}})
	count(violations) == 1
	some v in violations
	v.msg == "backup schedule 0 3 31 2 * never runs"
}

test_gap_over_the_rpo_fails if {
	some v in of_backup({"schedule": every_hours(6), "rpo_seconds": 900})
	contains(v.msg, "leaves up to 6h between backups, but the RPO is 15m")
	v.fix == "Back up at least every 15m"
}

test_gap_is_shown_as_people_write_it if {
	some days in of_backup({"schedule": every_hours(48), "rpo_seconds": 90})
	contains(days.msg, "up to 2d between backups, but the RPO is 90s")
}

test_without_rpo_the_tier_counts if {
	some v in found(request({"tier": "prod", "backup": backup({"schedule": every_hours(26)})}))
	contains(v.msg, "the limit for tier prod is 1d")
	found(request({"tier": "staging", "backup": backup({"schedule": every_hours(26)})})) == set()
}

test_no_tier_counts_as_prod if count(of_backup({"schedule": every_hours(26)})) == 1

test_tier_without_limit_passes if {
	found(request({"tier": "dev", "backup": backup({"schedule": every_hours(1000)})})) == set()
}

test_archived_log_needs_base_backups_only if {
	of_backup({"methods": ["operator"], "schedule": every_hours(24), "rpo_seconds": 300}) == set()
	some v in of_backup({"methods": ["operator"], "schedule": every_hours(192), "rpo_seconds": 300})
	contains(v.msg, "the limit for base backups is 7d")
}

test_unreadable_rpo_fails if {
	error := {"key": "stategate.io/rpo", "error": "no unit", "path": ["metadata", "annotations", "stategate.io/rpo"]}
	some v in of_backup({"errors": [error]})
	v.msg == "stategate.io/rpo cannot be read: no unit"
	v.path == error.path
}

cron_job(name, times) := request({
	"kind": "CronJob",
	"name": name,
	"containers": [],
	"backup": backup({"methods": [], "schedule": object.union({"text": "x", "path": ["spec", "schedule"]}, times)}),
})

test_cron_job_that_never_runs_fails if {
	some v in found(cron_job("orders-backup", {}))
	v.path == ["spec", "schedule"]
	found(cron_job("report", {})) == set()
}

test_cron_job_that_cannot_be_read_is_told_cron if {
	some v in found(cron_job("orders-backup", {"error": "hour field"}))
	v.fix == "Write a cron line such as 30 1 * * *, or @daily, within the ranges of its fields"
}

test_how_often_a_cron_job_runs_is_its_own_matter if {
	found(cron_job("orders-backup", {"max_gap_seconds": 30 * day})) == set()
}

zoned(kind, operation, text) := found({
	"workload": {
		"kind": kind,
		"name": "pg-backup",
		"containers": [],
		"backup": {"methods": [], "errors": [], "schedule": {"text": text, "max_gap_seconds": hour, "path": path}},
	},
	"review": {"operation": operation},
	"parameters": request({}).parameters,
})

test_time_zone_in_the_schedule_of_a_cron_job_fails if {
	some v in zoned("CronJob", "CREATE", "CRON_TZ=Europe/Berlin 0 3 * * *")
	startswith(v.msg, "the API server refuses the schedule CRON_TZ=Europe/Berlin 0 3 * * *")
	v.fix == "Take CRON_TZ=Europe/Berlin out of it, and write spec.timeZone: Europe/Berlin"
	zoned("CronJob", "UPDATE", "TZ=UTC 0 3 * * *") == set()
	zoned("CronJob", "CREATE", "0 3 * * *") == set()
	zoned("StatefulSet", "CREATE", "TZ=UTC 0 3 * * *") == set()
}
