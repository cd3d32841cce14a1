# METADATA
# title: Backups run, and run often enough
# description: >-
#   The longest time between two backups is the work that a restore loses. It must not exceed the RPO that the
#   workload declares (stategate.io/rpo) or, without one, the max_gap of its tier. A schedule that cannot be parsed,
#   such as hour 25, or that never comes due, such as 31 February, makes no backup at all; that is checked of CronJobs,
#   too, if their name, image or command says that they make backups; and that a CronJob names its time zone in
#   spec.timeZone, since Kubernetes refuses a new one with TZ= or CRON_TZ= in its schedule. Where a method of
#   continuous_methods archives the log between base backups, the schedule is that of the base backups, and only
#   max_base_gap applies. A Namespace without a tier counts as prod.
# related_resources:
# - ref: https://velero.io/docs/main/api-types/schedule/
# - ref: https://pkg.go.dev/github.com/robfig/cron/v3#hdr-CRON_Expression_Format
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#unsupported-timezone-specification
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, CronJob.batch], classes: [durable, backup, batch, hook]}
#   parameters:
#     max_gap:
#       type: map
#       of: duration
#       default: {prod: 24h, staging: 7d}
#       description: The longest time between backups by tier, if the workload declares no RPO.
#     continuous_methods:
#       type: list
#       of: string
#       default: [operator]
#       description: Backup methods that archive the log continuously.
#     max_base_gap:
#       type: duration
#       default: 7d
#       description: The longest time between base backups of continuous methods.
#   fix: >-
#     Correct the annotation stategate.io/backup-schedule or the schedule of the CronJob, or declare a longer
#     stategate.io/rpo.
#   why: "a restore loses everything written since the last backup"
package stategate.backup.backup_schedule_valid

import data.stategate.lib.backup_jobs

schedule := input.workload.backup.schedule if judged

judged if not cron_job

cron_job if input.workload.kind == "CronJob"

judged if backup_jobs.makes_backups

violation contains v if {
	error := schedule.error
	v := {
		"msg": sprintf("backup schedule %s cannot be read, so nothing is backed up: %s", [schedule.text, error]),
		"path": schedule.path,
		"key": "unreadable",
		"fix": sprintf("Write a cron line such as %s, within the ranges of its fields", [example]),
	}
}

# For its CronJobs, Kubernetes has a field for it, and refuses a new one that has it in the schedule.
violation contains v if {
	cron_job
	input.review.operation == "CREATE"
	not schedule.error
	some zone in regex.find_n(`^(TZ|CRON_TZ)=[^ ]+`, schedule.text, 1)
	name := split(zone, "=")[1]
	v := {
		"msg": sprintf(
			"the API server refuses the schedule %s: a CronJob names its time zone in a field of its own",
			[schedule.text],
		),
		"path": schedule.path,
		"key": "time zone",
		"fix": sprintf("Take %s out of it, and write spec.timeZone: %s", [zone, name]),
	}
}

violation contains v if {
	not schedule.error
	not schedule.max_gap_seconds
	v := {
		"msg": sprintf("backup schedule %s never runs", [schedule.text]),
		"path": schedule.path,
		"key": "never",
		"fix": "Name a day that exists, such as 0 3 * * * for every night",
	}
}

violation contains v if {
	# What else backs up the data that a CronJob copies is not known.
	not cron_job
	gap := schedule.max_gap_seconds
	limit := allowed.seconds
	gap > limit
	v := {
		"msg": sprintf(
			"backup schedule %s leaves up to %s between backups, but %s is %s: more work is lost than may be",
			[schedule.text, shown(gap), allowed.name, shown(limit)],
		),
		"path": schedule.path,
		"key": "too rare",
		"fix": sprintf("Back up at least every %s", [shown(limit)]),
	}
}

violation contains v if {
	some error in input.workload.backup.errors
	v := {
		"msg": sprintf("%s cannot be read: %s", [error.key, error.error]),
		"path": error.path,
		"fix": "Write a duration such as 15m, 24h or 35d",
	}
}

# Kubernetes' own CronJobs have no @every.
example := "30 1 * * *, or @daily" if cron_job else := "0 */6 * * *, or @daily, or @every 6h"

allowed := {"name": "the limit for base backups", "seconds": input.parameters.max_base_gap} if {
	some method in input.workload.backup.methods
	method in input.parameters.continuous_methods
} else := {"name": "the RPO", "seconds": input.workload.backup.rpo_seconds} if {
	input.workload.backup.rpo_seconds
} else := {"name": sprintf("the limit for tier %s", [tier]), "seconds": input.parameters.max_gap[tier]} if {
	input.parameters.max_gap[tier]
}

tier := object.get(input.workload, "tier", "prod")

shown(seconds) := sprintf("%vd", [seconds / 86400]) if {
	seconds % 86400 == 0
} else := sprintf("%vh", [seconds / 3600]) if {
	seconds % 3600 == 0
} else := sprintf("%vm", [seconds / 60]) if {
	seconds % 60 == 0
} else := sprintf("%vs", [seconds])
