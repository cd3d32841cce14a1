package stategate.backup.dump_pipe_status_test

import data.stategate.backup.dump_pipe_status as policy

request(command) := of_image("library/postgres", command)

of_image(repository, command) := {
	"workload": {"containers": [{
		"name": "dump",
		"image": {"repository": repository, "tag": "16.4"},
		"command": command,
		"args": [],
		"path": ["spec", "template", "spec", "containers", 0],
	}]},
	"parameters": {"programs": ["pg_dump", "mysqldump", "mongodump", "cockroach", "xtrabackup", "redis-cli"]},
}

found(command) := violations if violations := policy.violation with input as request(command)

script(text) := found(["/bin/sh", "-c", text])

test_a_pipe_hides_the_failure if {
	some v in script("pg_dump -h pg shop | gzip > /dumps/shop.gz")
	startswith(v.msg, "when pg_dump fails, the pipe still has the exit status of gzip")
	v.path == ["spec", "template", "spec", "containers", 0, "command", 2]
	startswith(v.fix, "Write pg_dump -Fc -f FILE instead")
	endswith(v.fix, "or run the script with bash -o pipefail -c (not sh, which may not know pipefail)")
}

test_whatever_the_form if {
	count(script("set -e\nmysqldump -h db shop \\\n | gzip | aws s3 cp - s3://b/x")) == 1
	count(script("PGPASSWORD=$P /usr/bin/pg_dump shop | gzip > x && echo done")) == 1
	count(script("if ! pg_dump shop | gzip > x; then exit 1; fi")) == 1
	count(script("(pg_dump shop; true) | gzip > x")) == 0
	count(found(["sh -c 'pg_dump shop | gzip > x'"])) == 0
	count(found(["bash", "-ec", "pg_dump shop | gzip > x"])) == 1
}

test_watched_pipes_pass if {
	script("set -o pipefail; pg_dump shop | gzip > x") == set()
	found(["/bin/bash", "-eo", "pipefail", "-c", "pg_dump shop | gzip > x"]) == set()
	script("pg_dump shop | gzip > x; exit ${PIPESTATUS[0]}") == set()
}

test_no_pipe_passes if {
	script("pg_dump -Fc -f x shop || exit 1") == set()
	script("pg_dump shop > x && ls | wc -l") == set()
	script("cat x | mongodump --version") == set()
	script("echo pg_dump starts | logger") == set()
	script("psql -l | grep shop; pg_dump -f x shop") == set()
}

test_a_success_is_made_of_it if {
	some v in script("pg_dump -Fc -f /b/x shop || true")
	startswith(v.msg, "when pg_dump fails, || true makes a success of it")
	v.fix == "Take || true away, so that the Job fails with pg_dump"
	count(script("set -e\nmysqldump shop > /b/x || echo failed\nfind /b -mtime +7 -delete")) == 1
	script("pg_dump -f /b/x shop || { echo failed; exit 1; }") == set()
	script("pg_dump -f /b/x shop || echo failed && false") == set()
	script("pg_dump -f /b/x shop || true; aws s3 cp /b/x s3://b/") == set()
	script("pg_dump -f /b/x shop || true; [ -s /b/x ]") == set()
}

test_the_last_command_decides if {
	some v in script("pg_dump -Fc -f /b/x shop; echo done")
	contains(v.msg, "the script goes on and ends with echo: the Job counts as complete")
	v.fix == "Begin the script with set -e, so that it ends at the first error"
	count(script("#!/bin/sh\nD=$(date +%F)\nmysqldump shop > /b/${D}.sql\nfind /b -mtime +7 -delete\n")) == 1
	script("set -eu; pg_dump -Fc -f /b/x shop; echo done") == set()
	found(["sh", "-ec", "pg_dump -Fc -f /b/x shop; echo done"]) == set()
	script("pg_dump -f /b/x shop; rc=$?; echo $rc; exit $rc") == set()
	script("pg_dump -f /b/x shop; aws s3 cp /b/x s3://b/") == set()
	script("pg_dump -f /b/x shop || exit 1; echo done") == set()
	script("for d in a b; do pg_dump -f /b/$d $d; done; echo done") == set()
	script("pg_dump -f /b/x shop && echo done") == set()
}

test_scripts_of_config_maps_are_read if {
	files := [{"path": "/scripts/dump.sh", "text": "#!/bin/sh\npg_dump shop | gzip > /b/x\n"}]
	some v in with_files(["/scripts/dump.sh"], files)
	v.path == ["spec", "template", "spec", "containers", 0, "command", 0]
	with_files(["/run.sh"], files) == set()
}

with_files(command, files) := violations if {
	plain := request(command)
	one := object.union(plain.workload.containers[0], {"files": files})
	violations := policy.violation with input as object.union(plain, {"workload": {"containers": [one]}})
}

test_every_program_has_a_way if {
	some v in script("xtrabackup --backup --stream | gzip > x")
	startswith(v.fix, "Let xtrabackup write a file")
	some w in script("cockroach dump shop | gzip > x")
	contains(w.msg, "when cockroach fails")
	other := of_image("acme/backup", ["sh", "-c", "cockroach dump shop | gzip > x"])
	some o in policy.violation with input as other
	endswith(o.fix, "if the image has bash")
	script("cockroach sql -e 'x' | tee log") == set()
	some r in script("redis-cli -h kv --rdb - | gzip > x")
	startswith(r.fix, "Write redis-cli --rdb FILE && gzip FILE instead")
	script("redis-cli info | grep role") == set()
}
