# METADATA
# title: Backup CronJobs are not suspended
# description: >-
#   A CronJob with suspend set to true starts nothing. It is set during an incident and forgotten, and the first one to
#   notice is whoever needs the backup. This policy checks CronJobs whose name, image or command says that they make
#   backups. Those that restore, import, verify or clean up, and those that dump definitions without data, pass. So does
#   one that would come due once a year or never: it is a template for runs by hand (kubectl create job --from).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-suspension
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [CronJob.batch], classes: [backup, batch, hook, durable]}
#   fix: "Set suspend: false; if another job makes the backups, delete this one."
#   why: while it is suspended no backup is made, and nothing reports it
package stategate.backup.backup_cronjob_suspended

import data.stategate.lib.backup_jobs

violation contains v if {
	input.review.object.spec.suspend == true
	not for_runs_by_hand
	backup_jobs.makes_backups
	v := {
		"msg": sprintf("CronJob %s is suspended: it makes no backups until somebody resumes it", [input.workload.name]),
		"path": ["spec", "suspend"],
	}
}

for_runs_by_hand if {
	schedule := input.workload.backup.schedule
	not schedule.error
	not often(schedule)
}

often(schedule) if schedule.max_gap_seconds < (360 * 24) * 3600
