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
	backs_up(job("orders-dump-cron", "acme/x:1.0", ["run"]))
	backs_up(job("nightly", "acme/pg-dumper:1.0", []))
}

test_others_do_not if {
	not backs_up(job("report", "python:3.13", ["report.py"]))
	not backs_up(job("backup-cleanup", "busybox:1.37", ["find", "/backup", "-delete"]))
	not backs_up(object.union(job("orders-backup", "busybox:1.37", []), {"workload": {"kind": "Job"}}))
}

test_other_dumps_and_loads_do_not if {
	every name in ["heapdump-analyzer", "coredump-upload", "dump-import", "db-dump-loader", "dump-seed", "dump-migrator"] {
		not backs_up(job(name, "acme/x:1.0", ["/app/run"]))
	}
	backs_up(job("core-workload-backup", "acme/x:1.0", ["/app/upload"]))
	not backs_up(job("nightly", "acme/x:1.0", ["/app/run", "--no-dump", "/srv/dump"]))
	not backs_up(job("nightly-backup", "acme/x:1.0", ["sh", "/scripts/restore.sh"]))
	every load in [
		"mysql -h db app < /backup/x.sql", "gunzip -c /backup/x.gz | psql app", "pg_dump a | pg_restore -d b",
		"restic restore latest", "psql -h db -f /backup/x.sql app", "mysql -e 'source /backup/x.sql'",
	] {
		not backs_up(job("nightly", "acme/x:1.0", ["sh", "-c", load]))
	}
	backs_up(job("nightly", "postgres:17.6", ["sh", "-c", "pg_dump -Fc -f /b/x a; pg_restore -l /b/x; psql <<E\nE"]))
}

test_settings_of_velero_are_none if {
	every path in ["/apis/velero.io/v1/namespaces/velero/backuprepositories", "get backupstoragelocation"] {
		not backs_up(job("velero-frequency", "python:3.13", ["python", "-c", path]))
	}
}

test_definitions_alone_are_none if {
	every dump in ["pg_dump -s -h pg app > /x", "pg_dump -h pg --schema-only app", "mysqldump -h db \\\n --no-data app > x"] {
		not backs_up(job("schema-dump", "postgres:17.6", ["sh", "-c", dump]))
		backs_up(job("db-dump", "postgres:17.6", ["sh", "-c", concat("", [dump, "\npg_dump -Upostgres -d app -f /x"])]))
	}
}
