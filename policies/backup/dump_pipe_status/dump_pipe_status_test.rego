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
	some w in script("set -e; pg_dump -f /b/x shop || true; aws s3 cp /b/x s3://b/")
	w.msg == "when pg_dump breaks off, || true makes a success of it: the Job counts as complete and the dump is cut off"
	script("pg_dump -f /b/x shop || true; kubectl wait job/x") == set()
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
	script("pg_dump -f /b/x shop || exit 1; echo done") == set()
	script("for d in a b; do pg_dump -f /b/$d $d; done; echo done") == set()
	script("pg_dump -f /b/x shop && echo done") == set()
	script("pg_dump -f /b/x shop; ls /b | grep x") == set()
}

test_what_takes_any_file_decides_nothing if {
	every last in [
		"gzip -f /b/x", "aws s3 cp /b/x s3://b/", "curl -T /b/x https://dav/", "tar czf /b/x.tgz /b/x", "tar --create -f /b/x.tar /b",
		"gcloud storage cp /b/x gs://b/", "AWS_REGION=a /usr/bin/aws s3 cp /b/x s3://b/", "cat /b/x | rclone rcat r:x",
		"zstd -T0 --rm /b/x && rm -f /b/old", "mv /b/x /b/y || echo none",
	] {
		some v in script(sprintf("pg_dump shop > /b/x\n# it's done\n%s\n", [last]))
		startswith(v.msg, "when pg_dump breaks off, the script goes on and ends with ")
		endswith(v.msg, ": the Job counts as complete and the dump is cut off")
		v.fix == "Begin the script with set -e, so that it ends at the first error"
	}
	every last in [
		"gzip -t /b/x", "zstd --test /b/x", "tar xzf /b/x", "gpg --verify /b/x", "gcloud sql import sql a gs://b/x",
		"psql -f /b/x other", "kubectl wait job/x",
	] {
		script(sprintf("pg_dump shop > /b/x; %s", [last])) == set()
	}
	script("set -e; pg_dump shop > /b/x; gzip /b/x") == set()
	script("pg_dump shop > /b/x && gzip /b/x; aws s3 cp /b/x.gz s3://b/") == set()
	script("pg_dump shop > /b/x || die; gzip /b/x") == set()
}

test_steps_that_are_passed_over_end_nothing if {
	some v in script("set -e\npg_dump -f /b/x shop && gzip /b/x\nfind /b -mtime +7 -delete")
	startswith(v.msg, "when pg_dump fails, the script goes on and ends with find")
	v.fix == "Give pg_dump a line of its own: set -e passes over what fails before &&"
	some w in script("pg_dump -f /b/x shop && gzip /b/x; echo done")
	w.fix == "Begin the script with set -e, and give pg_dump a line of its own, so that it ends at the first error"
	script("set -e; cd /b && pg_dump -f x shop; echo done") == set()
	script("set -e; pg_dump -f /b/x shop && gzip /b/x; aws s3 cp /b/x.gz s3://b/") == set()
}

test_taking_it_away_is_not_enough_before_other_commands if {
	away("pg_dump -f /b/x shop || true\nfind /b -delete", " and begin the script with set -e")
	away("pg_dump -f /b/x shop && gzip /b/x || true; ls", ", begin the script with set -e, and give pg_dump a line of its own")
	away("set -e; pg_dump -f /b/x shop && gzip /b/x || true; ls", " and give pg_dump a line of its own")
	away("set -e; pg_dump -f /b/x shop || true; ls", "")
	away("pg_dump -f /b/x shop && gzip /b/x || true", "")
	away("ssh db 'pg_dump -f /b/x shop || true; ls'", " and begin the script and what is in the quotes with set -e")
}

away(text, more) if fix_of(text) == sprintf("Take || true away%s, so that the Job fails with pg_dump", [more])

test_what_is_encrypted_is_not_written_first if {
	bash := "un the script with bash -o pipefail -c (not sh, which may not know pipefail)"
	every next in ["gzip | openssl enc -aes-256-cbc > x", "gpg -e > x.gpg", "age -r k | aws s3 cp - s3://b/x"] {
		fix_of(sprintf("mysqldump shop | %s", [next])) == sprintf("R%s", [bash])
	}
	fix_of(`su app -c "pg_dump shop | gpg -e > x"`) == "Begin what is in the quotes with `set -o pipefail;`, and let bash run it"
}

test_long_scripts_are_read if {
	digits := split("0123456789", "")
	dumps := concat("\n", [sprintf("pg_dump -f /b/%s.sql db", [concat("", [i, j, k])]) |
		some i in ["1", "2", "3", "4"]
		some j in digits
		some k in digits
	])
	some v in script(sprintf("%s\nls", [dumps]))
	contains(v.msg, "ends with ls")
	some w in script(replace(dumps, "-f", "| gzip >"))
	contains(w.msg, "exit status of gzip")
}

test_shell_in_quotes_has_its_own_errors if {
	some v in script(`kubectl exec pg-0 -- sh -c "pg_dump -f /b/x shop; gzip /b/x"`)
	v.fix == "Begin the script and what is in the quotes with set -e, so that both end at the first error"
}

fix_of(text) := v.fix if some v in script(text)

test_what_runs_elsewhere_writes_no_file_there if {
	every line in [
		["kubectl exec -n git pg-0 -- pg_dump shop", "kubectl exec … -- pg_dump …"],
		["oc rsh pg-0 mongodump --archive", "oc exec … -- mongodump …"],
		["docker exec db mysqldump shop", "docker exec … mysqldump …"],
		["ssh db 'pg_dump shop'", "ssh … pg_dump …"],
		["$K exec pg-0 -- pg_dump shop", "kubectl exec … -- pg_dump …"],
	] {
		zipped := fix_of(sprintf("%s | gzip > /b/x", [line[0]]))
		startswith(zipped, sprintf("Redirect its output to a file here: %s > FILE && gzip -f FILE; or run the script", [line[1]]))
		sent := fix_of(sprintf("%s | aws s3 cp - s3://b/x", [line[0]]))
		startswith(sent, sprintf("Redirect its output to a file here: %s > FILE && aws … < FILE; or run the script", [line[1]]))
	}
}

test_pipe_in_quotes_is_another_shell_s if {
	own := "begin what is in the quotes with `set -o pipefail;`, and let bash run it"
	fix_of(`kubectl exec pg-0 -- sh -c "pg_dump 'shop' | gzip" > /b/x`) == sprintf(
		"Redirect its output to a file here: kubectl exec … -- pg_dump … > FILE && gzip -f FILE; or %s",
		[own],
	)
	fix_of("ssh db 'cd /; pg_dump shop | gzip > /b/x'") == "Begin what is in the quotes with `set -o pipefail;`, and let bash run it there"
	fix_of(`su app -c "pg_dump shop | xz > /b/x"`) == sprintf(
		"Write pg_dump -Fc -f FILE instead, which is compressed already (pg_restore reads it); or %s",
		[own],
	)
}

test_what_else_is_in_the_pipe_stays if {
	every line in [
		["aws s3 cp - s3://b/x", "aws … < FILE;"],
		["gzip | aws s3 cp - s3://b/x", "gzip … < FILE | aws …;"],
		["sed s/a/b/ | gzip > x", "sed … < FILE | gzip …;"],
		["AWS_REGION=a mc pipe b/x; rm y", "mc … < FILE || exit 1;"],
	] {
		startswith(fix_of(sprintf("pg_dump shop | %s", [line[0]])), sprintf("Write a file first: pg_dump … > FILE && %s", [line[1]]))
	}
}

test_list_that_is_not_the_last_command_ends_the_script if {
	startswith(fix_of("mysqldump shop |\n  gzip > x\nrm y"), "Write mysqldump … > FILE && gzip -f FILE || exit 1 instead")
	startswith(fix_of("pg_dump shop | gzip > x; rm y"), "Write pg_dump -Fc -f FILE || exit 1 instead")
	startswith(fix_of("mongodump --archive | gzip > x; rm y"), "Write mongodump --archive=FILE --gzip || exit 1 instead")
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
	startswith(fix_of("true && exec pg_dump shop | gzip > x"), "Write pg_dump -Fc -f FILE instead")
	some v in script("xtrabackup --backup --stream | gzip > x")
	startswith(v.fix, "Write xtrabackup … > FILE && gzip -f FILE instead")
	some w in script("cockroach dump shop | gzip > x")
	contains(w.msg, "when cockroach fails")
	other := of_image("acme/backup", ["sh", "-c", "cockroach dump shop | gzip > x"])
	some o in policy.violation with input as other
	endswith(o.fix, "if the image has bash")
	script("cockroach sql -e 'x' | tee log") == set()
	some r in script("redis-cli -h kv --rdb - | gzip > x")
	startswith(r.fix, "Write redis-cli … > FILE && gzip -f FILE instead")
	script("redis-cli info | grep role") == set()
}
