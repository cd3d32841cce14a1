# Backups that are made of a workload without its saying so: by Velero's schedules and by CronJobs. Policies that import
# this need Schedule.velero.io, CronJob.batch and Service in their inventory.
package stategate.lib.backups

# A schedule of Velero includes the namespace, and the volumes in it.
by_schedule if {
	some schedule in input.related.backup_schedules
	not schedule.paused
	volumes_included(schedule)
	not without_volumes(schedule)
}

volumes_included(schedule) if count(schedule.resources) == 0

volumes_included(schedule) if {
	some resource in schedule.resources
	split(lower(resource), ".")[0] in {"*", "persistentvolumeclaims", "persistentvolumeclaim", "pvc", "pods", "pod", "po"}
}

without_volumes(schedule) if {
	schedule.snapshot_volumes == false
	not schedule.fs_backup
}

# A container beside the data store takes its backups. Preparing containers restore at most.
by_sidecar if {
	some container in input.workload.containers
	container.role != "init"
	container.name != object.get(input.workload, ["engine", "container"], "")
	parts := split(container.image.repository, "/")
	text := concat(" ", array.concat([container.name, parts[count(parts) - 1]], array.concat(container.command, container.args)))
	regex.match(takes_backups, text)
	not regex.match(serves_copies, text)
	not regex.match(`(?i)export`, container.name)
}

# A copy for whoever connects, such as a new replica, leaves no backup behind.
serves_copies := `(?i)(^|[ /])((ncat|nc)(\s+-[a-z]+)*\s+(--listen|-[a-z]*l[a-z]*)\b|socat\s[^\n]*-listen:)`

takes_backups := `(?i)(^|[ /_.-])(pgbackrest|wal-[ge]|barman|litestream|medusa|clickhouse-backup|backups?)([ /_.-]|$)`

# A CronJob runs a dump of this kind of store and reaches the workload, as far as it shows where it connects to.
by_job if {
	some job in input.related.backup_jobs
	fits(job)
	reaches(job)
}

# A dump program of another data store backs up another one.
fits(_) if not input.workload.engine

fits(job) if {
	own := object.get(dumps, input.workload.engine.name, set())
	foreign := {dump | some _, list in dumps; some dump in list} - own
	some program in job.programs
	not program in foreign
}

# Where it connects to is visible, or nobody can say that it is elsewhere.
reaches(job) if not job.visible

reaches(job) if {
	some word in job.words
	word in own_names
}

own_names := ({input.workload.name, sprintf("%s-0", [input.workload.name])} | of_services) | of_claims

of_services := {service | service := input.workload.service_name} | {service.name |
	some service in input.related.services
}

of_claims := {claim.name | some claim in input.workload.claims}

dumps := {
	"postgres": {"pg_dump", "pg_dumpall", "pg_basebackup", "pgbackrest", "barman-cloud-backup"},
	"mysql": {
		"mysqldump", "mariadb-dump", "mysqlpump", "mydumper", "mysqlsh", "xtrabackup", "mariabackup",
		"mariadb-backup",
	},
	"mongodb": {"mongodump"},
	"redis": {"redis-cli", "valkey-cli"},
	"etcd": {"etcdctl"},
	"elasticsearch": {"elasticdump"},
	"cassandra": {"nodetool"},
	"scylla": {"nodetool"},
	"cockroach": {"cockroach"},
	"clickhouse": {"clickhouse-backup"},
	"nats": {"nats"},
	"consul": {"consul"},
	"vault": {"vault"},
	"influxdb": {"influx", "influxd"},
}
