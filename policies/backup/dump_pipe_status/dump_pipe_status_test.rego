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
	"parameters": {"programs": ["pg_dump", "mysqldump", "mongodump", "cockroach", "xtrabackup"]},
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
	script("pg_dump shop > x; ls | wc -l") == set()
	script("cat x | mongodump --version") == set()
	script("echo pg_dump starts | logger") == set()
	script("psql -l | grep shop; pg_dump -f x shop") == set()
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
}
