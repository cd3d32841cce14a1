# Backups that are made of a workload without its saying so: by the schedules of backup tools and by jobs. Policies that
# import this need Schedule.velero.io, Schedule.k8up.io, ReplicationSource.volsync.backube,
# Policy.config.kio.kasten.io, CronJob.batch, Deployment.apps, StatefulSet.apps and Service in their inventory.
package stategate.lib.backups

import data.stategate.lib.kept_data

# A schedule includes the namespace, and the volumes in it.
by_schedule if {
	some schedule in input.related.backup_schedules
	not idle(schedule)
	not without_data(schedule)
	not schedule.claim
	not passes_over(schedule)
}

# Each claim that keeps something is copied by a schedule of its own.
by_schedule if {
	count(copied) > 0
	count(kept_claims - copied) == 0
}

copied contains name if {
	some schedule in input.related.backup_schedules
	not idle(schedule)
	some name in kept_claims
	is_called(schedule.claim, name)
}

# Claims that keep more than logs, caches and the like.
kept_claims contains name if {
	some container in input.workload.containers
	some mount in container.mounts
	kept_data.lasting(mount)
	not negligible(mount)
	some volume in input.workload.volumes
	volume.name == mount.volume
	name := volume.claim
}

# What a data store calls logs may be its data.
negligible(mount) if {
	not input.workload.engine
	kept_data.of_no_value(mount)
}

# A claim of this name, or one that the template of this name makes.
is_called(claim, name) if claim == name

is_called(claim, name) if startswith(claim, sprintf("%s-%s-", [name, input.workload.name]))

# All claims of this name that are known: templates, and claims that are there.
known(name) := {claim | some claim in input.workload.claims; claim.origin == "template"; claim.name == name} | {claim |
	some claim in input.related.pvcs
	is_called(claim.name, name)
}

passes_over(schedule) if marked(schedule)

passes_over(schedule) if count(on_pods(schedule)) > 0

# The tool is told to leave out each of them.
marked(schedule) if {
	mark := opt_outs[schedule.group]
	count(kept_claims) > 0
	every name in kept_claims {
		claims := known(name)
		count(claims) > 0
		every claim in claims {
			claim[mark.field][mark.key] == mark.value
		}
	}
}

# Without snapshots, Velero copies a volume by way of its pod: what the pod says decides. A label of the workload does
# not, since each pod is an object of its own.
on_pods(schedule) := {way |
	schedule.group == "velero.io"
	schedule.fs_backup == true
	schedule.snapshot_volumes == false
	count(kept_claims) > 0
	some way in pods_left_out
}

pods_left_out contains way if {
	input.workload.pods.labels["velero.io/exclude-from-backup"] == "true"
	way := {
		"what": "the pods (velero.io/exclude-from-backup: \"true\"), and copies volumes by way of them only",
		"fix": "Take the label velero.io/exclude-from-backup off the pods",
	}
}

pods_left_out contains way if {
	text := input.workload.pods.annotations["backup.velero.io/backup-volumes-excludes"]
	names := {trim_space(name) | some name in split(text, ",")}
	count(kept_volumes - names) == 0
	kept := concat(", ", kept_volumes)
	way := {
		"what": sprintf("volume %s, as the pods' annotation backup.velero.io/backup-volumes-excludes says", [kept]),
		"fix": sprintf("Take %s out of the pods' annotation backup.velero.io/backup-volumes-excludes", [kept]),
	}
}

kept_volumes := {volume.name | some volume in input.workload.volumes; volume.claim in kept_claims}

opt_outs := {
	"velero.io": {"field": "labels", "key": "velero.io/exclude-from-backup", "value": "true"},
	"k8up.io": {"field": "annotations", "key": "k8up.io/backup", "value": "false"},
}

idle(schedule) if schedule.paused

idle(schedule) if never(schedule)

never(schedule) if {
	schedule.never
	not to_be_filled_in(schedule)
}

placeholder := concat("", [
	`\$[{(]?[A-Za-z0-9_]|\{\{|<[^<>]+>|%[A-Za-z0-9_]+%|\[\[|__[A-Za-z0-9_]+__|^[A-Z][A-Z0-9]*_[A-Z0-9_]+$`,
	`|^(BACKUP)?(CRON|SCHEDULE|CRONTAB|CRONSCHEDULE)$`,
])

# Of a placeholder in a file, it is not known when it comes due. In a cluster, it is what is there.
to_be_filled_in(schedule) if {
	regex.match(placeholder, schedule.schedule)
	input.review.uid == ""
}

without_data(schedule) if not volumes_included(schedule)

without_data(schedule) if without_volumes(schedule)

without_data(schedule) if {
	some resource in schedule.excluded_resources
	split(lower(resource), ".")[0] in {"*", "persistentvolumeclaims", "persistentvolumeclaim", "pvc"}
}

# What looks like a backup of the workload and is none: why, and how it becomes one.
pretences contains pretence if {
	some schedule in input.related.backup_schedules
	schedule.paused
	pretence := {
		"why": sprintf("%s %s is paused", [schedule.kind, schedule.name]),
		"fix": sprintf("Set spec.paused: false in %s %s", [schedule.kind, schedule.name]),
	}
}

pretences contains pretence if {
	some schedule in input.related.backup_schedules
	not schedule.paused
	never(schedule)
	pretence := {
		"why": sprintf("%s %s never runs%s", [schedule.kind, schedule.name, written(schedule)]),
		"fix": sprintf("Give %s %s a schedule that comes due, such as @daily", [schedule.kind, schedule.name]),
	}
}

pretences contains pretence if {
	some schedule in input.related.backup_schedules
	not idle(schedule)
	without_data(schedule)
	pretence := {
		"why": sprintf("%s %s leaves the volumes out", [schedule.kind, schedule.name]),
		"fix": sprintf("Make a Schedule that saves its volumes, too, %s (before Velero 1.10, defaultVolumesToRestic)%s", [
			"with snapshots or defaultVolumesToFsBackup: true",
			elsewhere,
		]),
	}
}

# Velero may keep its backups in it: a backup that is in what it saves is lost together with it.
elsewhere := ", and with a storageLocation that is not in this store" if {
	some container in input.workload.containers
	regex.match(`(^|/)(minio|rustfs|garage|seaweedfs|cloudserver)$`, container.image.repository)
} else := ""

pretences contains pretence if {
	some schedule in input.related.backup_schedules
	not idle(schedule)
	marked(schedule)
	mark := opt_outs[schedule.group]
	claims := concat(", ", kept_claims)
	pretence := {
		"why": sprintf("%s %s passes over claim %s (%s: \"%s\")", [schedule.kind, schedule.name, claims, mark.key, mark.value]),
		"fix": sprintf("Take %s off the claim", [mark.key]),
	}
}

pretences contains pretence if {
	some schedule in input.related.backup_schedules
	not idle(schedule)
	some way in on_pods(schedule)
	pretence := {"why": sprintf("%s %s passes over %s", [schedule.kind, schedule.name, way.what]), "fix": way.fix}
}

pretences contains pretence if {
	count(copied) > 0
	left := concat(", ", kept_claims - copied)
	left != ""
	pretence := {
		"why": sprintf("of its claims, only %s is copied, and not %s", [concat(", ", copied), left]),
		"fix": sprintf("Make a ReplicationSource for claim %s, too", [left]),
	}
}

pretences contains pretence if {
	some job in dumping
	job.suspended
	not for_runs_by_hand(job)
	pretence := {
		"why": sprintf("%s \"%s\" %s", [job.kind, job.name, idleness(job).is]),
		"fix": sprintf("Set spec.%s in %s \"%s\"", [idleness(job).setting, job.kind, job.name]),
	}
}

# It would come due once a year, or never.
for_runs_by_hand(job) if {
	job.kind == "CronJob"
	job.never
}

for_runs_by_hand(job) if regex.match(`^(\S+\s+\S+\s+[0-9]+\s+[0-9a-zA-Z]+\s+[*?]|@yearly|@annually)$`, job.schedule)

idleness(job) := {"is": "is suspended", "setting": "suspend: false"} if {
	job.kind == "CronJob"
} else := {"is": "has no pods", "setting": "replicas: 1"}

pretences contains pretence if {
	some job in dumping
	not job.suspended
	never(job)
	pretence := {
		"why": sprintf("CronJob \"%s\" never runs%s", [job.name, written(job)]),
		"fix": sprintf("Give CronJob \"%s\" a schedule that comes due, such as @daily", [job.name]),
	}
}

pretences contains pretence if {
	some job in dumping
	not dormant(job)
	job.transient
	pretence := {
		"why": sprintf("what %s \"%s\" dumps stays in its own pod, and goes with it", [job.kind, job.name]),
		"fix": sprintf("Let %s \"%s\" write into a claim, or send what it dumps to a bucket", [job.kind, job.name]),
	}
}

pretences contains pretence if {
	some job in dumping
	not dormant(job)
	not job.transient
	job.definitions_only
	pretence := {
		"why": sprintf("%s \"%s\" dumps definitions only, without the data", [job.kind, job.name]),
		"fix": sprintf("Let %s \"%s\" dump the data, too (no --schema-only, --globals-only or --no-data)", [job.kind, job.name]),
	}
}

pretences contains pretence if {
	some job in dumping
	not dormant(job)
	not job.transient
	without_rows(job)
	pretence := {
		"why": sprintf("%s \"%s\" leaves out _timescaledb_internal, where the rows of hypertables are", [job.kind, job.name]),
		"fix": sprintf("Let %s \"%s\" dump all schemas (no --exclude-schema=_timescaledb*)", [job.kind, job.name]),
	}
}

# Chunks are in a schema of their own.
without_rows(job) if {
	job.without_chunks
	some container in input.workload.containers
	regex.match(`(^|/)timescaledb(-ha)?$`, container.image.repository)
}

dumping contains job if {
	some job in input.related.backup_jobs
	fits(job)
	reaches(job)
}

dormant(job) if job.suspended

dormant(job) if never(job)

written(schedule) := sprintf(" (%s)", [schedule.schedule]) if {
	schedule.schedule != ""
} else := ""

volumes_included(schedule) if count(schedule.resources) == 0

volumes_included(schedule) if {
	some resource in schedule.resources
	split(lower(resource), ".")[0] in {"*", "persistentvolumeclaims", "persistentvolumeclaim", "pvc", "pods", "pod", "po"}
}

without_volumes(schedule) if {
	schedule.snapshot_volumes == false
	not schedule.fs_backup
}

# A container beside the data store takes its backups, or the workload itself is what keeps those of another one.
# Preparing containers restore at most.
by_sidecar if {
	some container in takers
	not copies_to_nowhere(container)
}

takers contains container if {
	some container in input.workload.containers
	container.role != "init"
	container.name != object.get(input.workload, ["engine", "container"], "")
	text := shown(container)
	regex.match(takes_backups, text)
	not regex.match(serves_copies, text)
	not regex.match(`(?i)export`, container.name)
}

shown(container) := concat(" ", array.concat(named, array.concat(container.command, container.args))) if {
	named := [container.name, kept_data.last_part(container.image.repository)]
}

# Litestream's databases have their replicas in its file or on the command line.
copies_to_nowhere(container) if {
	text := shown(container)
	contains(text, "litestream")
	not contains(text, "://")
	configured := [file.text | some file in object.get(container, "files", []); regex.match(`(?m)^dbs\s*:`, file.text)]
	count(configured) > 0
	every config in configured {
		without_replica(config)
	}
}

# By default, clickhouse-backup has no remote storage, and what it makes is in the directory of the data.
copies_to_nowhere(container) if stays_local(container)

stays_local(container) if {
	endswith(kept_data.last_part(container.image.repository), "clickhouse-backup")
	not container.env_from
	every variable in container.env {
		tells_of_no_remote(variable)
	}
	text := concat(" ", array.concat(
		array.concat(container.command, container.args),
		[mount.mount_path | some mount in container.mounts],
	))
	not regex.match(`config|(^| )(-c|--env|--remote)\b|/etc/clickhouse-backup|://|\.sh|\.ya?ml`, text)
}

tells_of_no_remote(variable) if {
	variable.name == "REMOTE_STORAGE"
	object.get(variable, "value", "from elsewhere") in {"", "none"}
}

tells_of_no_remote(variable) if {
	not regex.match(`REMOTE|CONFIG|^(S3|GCS|AZBLOB|COS|FTP|SFTP|CUSTOM)_`, variable.name)
}

# Nothing there says where to, and each path is that of a database.
without_replica(config) if {
	not regex.match(`(?m)^[^#\n]*\b(url|type|bucket|endpoint|host)["']?\s*:`, config)
	paths := regex.find_n(`(?m)^[^#\n]*\b(path|dir)["']?\s*:`, config, -1)
	count(paths) <= count(regex.find_n(`(?m)^[^#\n]*\breplicas?["']?\s*:`, config, -1))
}

pretences contains pretence if {
	some container in takers
	stays_local(container)
	pretence := {
		"why": sprintf("container %s keeps its backups beside the data: no REMOTE_STORAGE is set", [container.name]),
		"fix": sprintf("Set REMOTE_STORAGE (such as s3, with its bucket) of container %s, and upload each backup", [container.name]),
	}
}

pretences contains pretence if {
	some container in takers
	copies_to_nowhere(container)
	not stays_local(container)
	pretence := {
		"why": sprintf("container %s copies to nowhere: its configuration has no replica", [container.name]),
		"fix": sprintf("Give each database of container %s a replica (replicas, with a url such as s3://BUCKET/PATH)", [container.name]),
	}
}

# A copy for whoever connects, such as a new replica, leaves no backup behind.
serves_copies := `(?i)(^|[ /])((ncat|nc)(\s+-[a-z]+)*\s+(--listen|-[a-z]*l[a-z]*)\b|socat\s[^\n]*-listen:)`

takes_backups := concat("", [
	`(?i)(^|[ /_.-])(pgbackrest|wal-[ge]|barman|pghoard|pgmoneta|pg_probackup|pbm-agent|mgob|litestream|medusa`,
	`|clickhouse-backup|backups?)([ /_.-]|$)`,
])

# A job runs a dump of this kind of store and reaches the workload, as far as it shows where it connects to.
by_job if {
	some job in dumping
	not dormant(job)
	not job.transient
	not job.definitions_only
	not without_rows(job)
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

# Of a claim that a template makes: data-pg-0.
reaches(job) if {
	some word in job.words
	some claim in input.workload.claims
	claim.origin == "template"
	startswith(word, sprintf("%s-%s-", [claim.name, input.workload.name]))
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
