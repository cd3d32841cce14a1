package stategate.lib.backups_test

import data.stategate.lib.backups

workload := {
	"name": "pg",
	"service_name": "pg-headless",
	"engine": {"name": "postgres"},
	"claims": [{"name": "data"}],
}

by_schedule(overrides) if {
	schedule := object.union({"paused": false, "resources": []}, overrides)
	backups.by_schedule with input as {"review": {"uid": ""}, "workload": workload, "related": {"backup_schedules": [schedule]}}
}

by_job(programs, words, visible) if {
	job := {"programs": programs, "words": words, "visible": visible}
	related := {"backup_jobs": [job], "services": [{"name": "db"}]}
	backups.by_job with input as {"workload": workload, "related": related}
}

test_a_schedule_counts if {
	by_schedule({})
	by_schedule({"resources": ["pods", "persistentvolumeclaims"]})
	by_schedule({"snapshot_volumes": false, "fs_backup": true})
}

test_a_schedule_that_saves_no_volumes_does_not if {
	not by_schedule({"paused": true})
	not by_schedule({"resources": ["secrets", "deployments.apps"]})
	not by_schedule({"snapshot_volumes": false})
	not by_schedule({"never": true, "schedule": ""})
	not by_schedule({"excluded_resources": ["persistentvolumes", "persistentvolumeclaims"]})
	by_schedule({"excluded_resources": ["secrets"]})
}

test_a_placeholder_may_come_due if {
	every text in ["DISABLED", "NEVER", "99% 1 * * *"] {
		not by_schedule({"never": true, "schedule": text})
	}
	every text in ["{{{ .postgres.backup.schedule }}}", "${CRON}", "<SCHEDULE>", "BACKUP_SCHEDULE", "%CRON%", "CRON"] {
		by_schedule({"never": true, "schedule": text})
		schedule := {"paused": false, "resources": [], "never": true, "schedule": text}
		not backups.by_schedule with input as {
			"review": {"uid": "9f4c"},
			"workload": workload,
			"related": {"backup_schedules": [schedule]},
		}
	}
}

test_a_suspended_template_was_not_meant_as_a_backup if {
	dump := {"kind": "CronJob", "name": "dump", "programs": ["pg_dump"], "words": ["pg"], "visible": true, "suspended": true}
	every more in [{"never": true, "schedule": "0 0 31 2 *"}, {"schedule": "0 0 1 1 *"}] {
		pretences({"backup_jobs": [object.union(dump, more)]}) == set()
	}
}

pretences(related) := {pretence.why | some pretence in found} if {
	found := backups.pretences with input as {"workload": workload, "related": related}
}

test_what_looks_like_a_backup_is_named if {
	nightly := {"kind": "Schedule", "name": "nightly", "schedule": "0 25 * * *", "paused": false, "resources": []}
	pretences({"backup_schedules": [nightly]}) == set()
	pretences({"backup_schedules": [object.union(nightly, {"paused": true})]}) == {"Schedule nightly is paused"}
	never := object.union(nightly, {"never": true})
	pretences({"backup_schedules": [never]}) == {"Schedule nightly never runs (0 25 * * *)"}
	pretences({"backup_schedules": [object.union(never, {"schedule": ""})]}) == {"Schedule nightly never runs"}
	excluding := object.union(nightly, {"excluded_resources": ["persistentvolumeclaims"]})
	pretences({"backup_schedules": [excluding]}) == {"Schedule nightly leaves the volumes out"}
	dump := {"kind": "CronJob", "name": "dump", "programs": ["pg_dump"], "words": ["pg"], "visible": true}
	pretences({"backup_jobs": [object.union(dump, {"kind": "Deployment", "suspended": true})]}) == {"Deployment \"dump\" has no pods"}
	pretences({"backup_jobs": [dump]}) == set()
	pretences({"backup_jobs": [object.union(dump, {"suspended": true, "schedule": "0 1 * * *"})]}) == {"CronJob \"dump\" is suspended"}
	pretences({"backup_jobs": [object.union(dump, {"never": true, "schedule": "0 0 31 2 *"})]}) == {"CronJob \"dump\" never runs (0 0 31 2 *)"}
	pretences({"backup_jobs": [object.union(dump, {"suspended": true, "transient": true})]}) == {"CronJob \"dump\" is suspended"}
	pretences({"backup_jobs": [object.union(dump, {"transient": true})]}) == {concat("", [
		"what CronJob \"dump\" dumps stays in its own pod, ",
		"and goes with it",
	])}
	pretences({"backup_jobs": [object.union(dump, {"definitions_only": true})]}) == {concat("", [
		"CronJob \"dump\" dumps definitions only, ",
		"without the data",
	])}
	pretences({"backup_jobs": [object.union(dump, {"transient": true, "words": ["crm"]})]}) == set()
}

test_a_dump_without_the_rows_of_hypertables_is_none if {
	job := {"kind": "CronJob", "name": "dump", "programs": ["pg_dump"], "words": ["pg"], "visible": true, "without_chunks": true}
	every answer in [["timescale/timescaledb-ha", 1], ["library/postgres", 0]] {
		server := {"name": "db", "role": "main", "image": {"repository": answer[0]}, "command": [], "args": []}
		document := {"workload": object.union(workload, {"containers": [server]}), "related": {"backup_jobs": [job]}}
		found := {pretence.why | some pretence in backups.pretences} with input as document
		count(found) == answer[1]
		counted := {true | backups.by_job} with input as document
		count(counted) == 1 - answer[1]
	}
}

leaving_out(repository) := {pretence.fix | some pretence in found} if {
	schedule := {"kind": "Schedule", "name": "hourly", "paused": false, "resources": [], "snapshot_volumes": false}
	server := {"name": "db", "role": "main", "image": {"repository": repository}, "command": [], "args": []}
	view := object.union(workload, {"containers": [server]})
	found := backups.pretences with input as {"workload": view, "related": {"backup_schedules": [schedule]}}
}

test_a_store_of_backups_is_backed_up_elsewhere if {
	every fix in leaving_out("library/postgres") {
		endswith(fix, "defaultVolumesToFsBackup: true (before Velero 1.10, defaultVolumesToRestic)")
	}
	every fix in leaving_out("minio/minio") {
		endswith(fix, ", and with a storageLocation that is not in this store")
	}
}

test_nothing_known_is_no_backup if {
	not backups.by_schedule with input as {"workload": workload, "related": {}}
	not backups.by_job with input as {"workload": workload, "related": {}}
}

test_a_dump_of_this_store_counts if {
	by_job(["pg_dump"], ["pg_dump", "pg"], true)
	by_job(["pg_dumpall"], ["pg-0"], true)
	by_job(["pg_dump"], ["db"], true)
	by_job(["restic"], ["data"], true)
	by_job(["backup"], [], false)
}

test_a_dump_of_another_store_does_not if {
	not by_job(["pg_dump"], ["pg_dump", "crm"], true)
	not by_job(["mysqldump"], ["pg"], true)
	not by_job(["mysqldump"], [], false)
}

test_a_dump_that_does_not_last_does_not if {
	every lost in ["transient", "definitions_only", "suspended", "never"] {
		job := {"programs": ["pg_dump"], "words": ["pg"], "visible": true, "schedule": "", lost: true}
		not backups.by_job with input as {"workload": workload, "related": {"backup_jobs": [job]}}
	}
}

test_unknown_stores_take_any_backup if {
	job := {"programs": ["restic"], "words": ["pg"], "visible": true}
	own := object.remove(workload, ["engine"])
	backups.by_job with input as {"workload": own, "related": {"backup_jobs": [job]}}
}

beside(one) if {
	server := {"name": "db", "role": "main", "image": {"repository": "library/postgres"}, "command": [], "args": []}
	helper := object.union({"role": "main", "image": {"repository": "library/alpine"}, "command": [], "args": []}, one)
	view := object.union(workload, {"engine": {"name": "postgres", "container": "db"}, "containers": [server, helper]})
	backups.by_sidecar with input as {"workload": view}
}

test_a_container_that_takes_backups_counts if {
	beside({"name": "pg-backup"})
	beside({"name": "helper", "image": {"repository": "litestream/litestream"}})
	beside({"name": "helper", "command": ["/scripts/pgbackrest_bootstrap.sh"]})
	every daemon in ["wiremind/pghoard", "pgmoneta/pgmoneta", "stefanprodan/mgob", "percona/percona-backup-mongodb"] {
		beside({"name": "helper", "image": {"repository": daemon}})
	}
	beside({"name": "helper", "command": ["pbm-agent"]})
}

local_copies(overrides) := object.union(
	{
		"name": "clickhouse-backup",
		"role": "main",
		"image": {"repository": "altinity/clickhouse-backup"},
		"command": ["clickhouse-backup", "server"],
		"args": [],
		"env": [{"name": "CLICKHOUSE_PASSWORD", "value": ""}, {"name": "REMOTE_STORAGE", "value": "none"}],
		"env_from": false,
		"mounts": [{"mount_path": "/var/lib/clickhouse"}],
	},
	overrides,
)

test_backups_beside_the_data_are_none if {
	not beside(local_copies({}))
	found := backups.pretences with input as {"workload": object.union(workload, {"containers": [local_copies({})]})}
	{pretence.why | some pretence in found} == {"container clickhouse-backup keeps its backups beside the data: no REMOTE_STORAGE is set"}
	every overrides in [
		{"env_from": true},
		{"env": [{"name": "REMOTE_STORAGE", "value": "s3"}]},
		{"env": [{"name": "S3_BUCKET", "from": "secretKeyRef"}]},
		{"mounts": [{"mount_path": "/etc/clickhouse-backup"}]},
		{"image": {"repository": "foo/sidecar"}},
	] {
		beside(local_copies(overrides))
	}
}

litestream(lines, args) := {
	"name": "copy",
	"image": {"repository": "litestream/litestream"},
	"args": args,
	"files": [{"path": "/etc/litestream.yml", "text": concat("\n", lines)}],
}

test_litestream_without_a_replica_copies_to_nowhere if {
	every lines in [
		["dbs:", "  - path: /data/app.db", "    replicas:"],
		["dbs:", "  - path: /data/app.db", "    replicas: []", "  - path: /data/b.db", "    replicas:", "    # - url: s3://b/b"],
	] {
		not beside(litestream(lines, ["replicate"]))
		found := backups.pretences with input as {"workload": object.union(workload, {"containers": [object.union(
			{"role": "main", "command": []},
			litestream(lines, ["replicate"]),
		)]})}
		{pretence.why | some pretence in found} == {"container copy copies to nowhere: its configuration has no replica"}
		beside(litestream(lines, ["replicate", "/data/app.db", "s3://bucket/app"]))
	}
	every lines in [
		["dbs:", "  - path: /data/app.db", "    replicas:", "    - url: s3://bucket/app"],
		["dbs:", "  - path: /data/app.db", "    replicas:", "      - path: /nas/app"],
		["dbs:", "  - path: /data/app.db", "    replica:", "      type: sftp"],
		["dbs:", "  - path: /data/app.db"],
		["addr: :9090"],
	] {
		beside(litestream(lines, ["replicate"]))
	}
}

test_other_helpers_do_not if {
	not beside({"name": "pgbouncer"})
	not beside({"name": "backup-exporter"})
	not beside({"name": "restore-backup", "role": "init"})
}

sidecar(script) := {"workload": object.union(workload, {"containers": [
	{"name": "db", "role": "main", "image": {"repository": "mysql"}, "command": [], "args": []},
	{"name": "xtrabackup", "role": "main", "image": {"repository": "shop/tools"}, "command": ["bash", "-c", script], "args": []},
]})}

test_copies_for_new_replicas_are_no_backup if {
	stream := "xtrabackup --backup --stream=xbstream --host=127.0.0.1"
	not backups.by_sidecar with input as sidecar(sprintf("exec ncat --listen --keep-open 3307 -c \"%s\"", [stream]))
	not backups.by_sidecar with input as sidecar(sprintf("while true; do %s | socat - TCP-LISTEN:3307; done", [stream]))
	backups.by_sidecar with input as sidecar(sprintf("%s | xbcloud put daily", [stream]))
}

claims := {
	"name": "pg",
	"kind": "StatefulSet",
	"volumes": [
		{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
		{"name": "files", "source": "persistentVolumeClaim", "claim": "pg-files"},
		{"name": "logs", "source": "persistentVolumeClaim", "claim": "pg-logs"},
	],
	"claims": [
		{"name": "data", "origin": "template", "labels": {}, "annotations": {}},
		{"name": "pg-files", "origin": "reference", "labels": {}, "annotations": {}},
	],
	"containers": [{"name": "app", "mounts": [
		{"volume": "data", "mount_path": "/data", "source": "volumeClaimTemplate", "read_only": false},
		{"volume": "files", "mount_path": "/files", "source": "persistentVolumeClaim", "read_only": false},
		{"volume": "logs", "mount_path": "/logs", "source": "persistentVolumeClaim", "read_only": false},
	]}],
}

source(claim) := {"kind": "ReplicationSource", "group": "volsync.backube", "name": claim, "claim": claim, "paused": false, "resources": []}

test_each_claim_is_copied_by_itself if {
	backups.by_schedule with input as {"workload": claims, "related": {"backup_schedules": [source("data-pg-0"), source("pg-files")]}}
	one := {"workload": claims, "related": {"backup_schedules": [source("data-pg-0")]}}
	not backups.by_schedule with input as one
	found := backups.pretences with input as one
	{pretence.why | some pretence in found} == {"of its claims, only data is copied, and not pg-files"}
	{pretence.fix | some pretence in found} == {"Make a ReplicationSource for claim pg-files, too"}
}

marked(field, key, value) := object.union(claims, {"claims": [object.union(claim, {field: {key: value}}) | some claim in claims.claims]})

test_claims_that_a_tool_leaves_out_have_no_backup if {
	pvcs := [{"name": "pg-files", "labels": {"velero.io/exclude-from-backup": "true"}, "annotations": {"k8up.io/backup": "false"}}]
	every case in [
		{"group": "velero.io", "workload": marked("labels", "velero.io/exclude-from-backup", "true")},
		{"group": "k8up.io", "workload": marked("annotations", "k8up.io/backup", "false")},
	] {
		all := {"kind": "Schedule", "group": case.group, "name": "nightly", "paused": false, "resources": []}
		document := {"workload": case.workload, "related": {"pvcs": pvcs, "backup_schedules": [all]}}
		not backups.by_schedule with input as document
		found := backups.pretences with input as document
		some pretence in found
		startswith(pretence.why, "Schedule nightly passes over claim data, pg-files (")
		startswith(pretence.fix, "Take ")
		backups.by_schedule with input as object.union(document, {"related": {"pvcs": [{"name": "pg-files", "labels": {}, "annotations": {}}]}})
	}
}

of_pods(said, changes) := {"workload": object.union(claims, {"pods": said}), "related": {"backup_schedules": [object.union(
	{
		"kind": "Schedule",
		"group": "velero.io",
		"name": "nightly",
		"paused": false,
		"resources": [],
		"fs_backup": true,
		"snapshot_volumes": false,
	},
	changes,
)]}}

test_pods_that_velero_leaves_out_have_no_backup if {
	every said, why in {
		{"labels": {"velero.io/exclude-from-backup": "true"}, "annotations": {}}: "the pods (velero.io/exclude-from-backup: \"true\")",
		{"labels": {}, "annotations": {"backup.velero.io/backup-volumes-excludes": "files, data,logs"}}: "volume data, files, as",
	} {
		not backups.by_schedule with input as of_pods(said, {})
		backups.by_schedule with input as of_pods(said, {"snapshot_volumes": true})
		backups.by_schedule with input as of_pods(said, {"group": "k8up.io"})
		found := backups.pretences with input as of_pods(said, {})
		some pretence in found
		startswith(pretence.why, sprintf("Schedule nightly passes over %s", [why]))
		startswith(pretence.fix, "Take ")
	}
	every text in ["", "data"] {
		said := {"labels": {}, "annotations": {"backup.velero.io/backup-volumes-excludes": text}}
		backups.by_schedule with input as of_pods(said, {})
	}
}

test_claim_of_a_template_is_named_by_its_pod if {
	templated := object.union(workload, {"claims": [{"name": "data", "origin": "template"}]})
	every answer in [["data-pg-0", 1], ["data-crm-0", 0]] {
		job := {"programs": ["volumesnapshot"], "words": [answer[0]], "visible": true}
		found := {true | backups.by_job with input as {"workload": templated, "related": {"backup_jobs": [job]}}}
		count(found) == answer[1]
	}
}
