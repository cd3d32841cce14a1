# METADATA
# title: A failed dump fails its Job
# description: >-
#   A pipe has the exit status of its last program. In `pg_dump … | gzip > file`, gzip always succeeds: if the database
#   is unreachable or the dump breaks off, a file of 20 bytes is written, the Job is complete, and the next rotation
#   deletes the last good dump. This policy flags pipes whose earlier part is a dump program (programs) in the scripts
#   of Jobs and CronJobs, unless pipefail or PIPESTATUS appears in them. `set -e` does not help. pipefail works in bash
#   and in the sh of Alpine's images, but not in Debian's: its sh is dash, which has pipefail only from 0.5.13 on.
#   Scripts in ConfigMaps and images are not visible here.
# related_resources:
# - ref: https://www.gnu.org/software/bash/manual/html_node/Pipelines.html
# - ref: https://www.postgresql.org/docs/current/app-pgdump.html
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [CronJob.batch, Job.batch], classes: [batch, durable, cache, identity-only]}
#   parameters:
#     programs:
#       type: list
#       of: string
#       default:
#       - pg_dump
#       - pg_dumpall
#       - pg_basebackup
#       - mysqldump
#       - mariadb-dump
#       - mysqlpump
#       - xtrabackup
#       - mariabackup
#       - mariadb-backup
#       - mongodump
#       - cockroach
#       description: Programs whose failure must not be lost in a pipe.
#   fix: >-
#     Let the dump program write the file itself, or run the script with bash -o pipefail -c if the image has bash.
#   why: "nobody notices that there is no backup until one is needed"
package stategate.backup.dump_pipe_status

violation contains v if {
	some container in input.workload.containers
	some field in ["command", "args"]
	some i, text in container[field]
	in_a_shell(container)
	not watched(container)
	[program, last] := hidden_by(text)
	v := {
		"msg": sprintf(
			"when %s fails, the pipe still has the exit status of %s: the Job counts as complete and the dump is empty or cut off",
			[program, last],
		),
		"path": array.concat(container.path, [field, i]),
		"fix": sprintf("%s; or %s", [
			object.get(ways, program, sprintf("Let %s write a file, and compress or send it after &&", [program])),
			in_bash(container),
		]),
	}
}

in_a_shell(container) if {
	some word in array.concat(container.command, container.args)
	regex.match(`^(/[a-z/]*/)?(sh|bash|ash|dash|ksh|zsh)$`, word)
}

watched(container) if {
	some word in array.concat(container.command, container.args)
	regex.match(`pipefail|PIPESTATUS|pipestatus|dump complete|Dump completed`, word)
}

# The first dump program whose status a pipe loses, and the program whose status it has.
hidden_by(text) := [found[0].program, found[0].last] if {
	contains(text, "|")
	some_program(text)
	lines := split(apart(text), "\n")
	found := [{"program": program, "last": last} |
		some line in lines
		contains(line, "|")
		parts := split(line, "|")
		some part in array.slice(parts, 0, count(parts) - 1)
		program := run_in(part)
		last := first_word(parts[count(parts) - 1])
	]
	count(found) > 0
}

some_program(text) if {
	some program in input.parameters.programs
	contains(text, program)
}

# One simple command or pipe to a line.
apart(text) := replace(replace(replace(replace(text, "\\\n", " "), "||", "\n"), "&&", "\n"), ";", "\n")

run_in(part) := programs[0] if {
	words := words_of(part)
	first := words[0]
	not first in {"echo", "printf", "cat", "grep", "which", "command", "#"}
	not "--version" in words
	not "--help" in words
	programs := [name |
		some word in words
		name := last_of(split(word, "/"))
		name in input.parameters.programs
		is_a_dump(name, words)
	]
	count(programs) > 0
}

# cockroach does much else.
is_a_dump(name, _) if name != "cockroach"

is_a_dump("cockroach", words) if "dump" in words

words_of(part) := [word |
	some rough in split(replace(part, "\t", " "), " ")
	word := trim(rough, "\"'`(){}$!&")
	word != ""
]

first_word(part) := last_of(split(words_of(part)[0], "/"))

last_of(parts) := parts[count(parts) - 1]

ways := {
	"pg_dump": "Write pg_dump -Fc -f FILE instead, which is compressed already (pg_restore reads it)",
	"pg_dumpall": "Write pg_dumpall -f FILE && gzip FILE instead",
	"mysqldump": "Write mysqldump --result-file=FILE … && gzip FILE instead",
	"mariadb-dump": "Write mariadb-dump --result-file=FILE … && gzip FILE instead",
	"mongodump": "Write mongodump --archive=FILE --gzip instead",
}

# These images have bash, and those on Debian a sh without pipefail.
in_bash(container) := "run the script with bash -o pipefail -c (not sh, which may not know pipefail)" if {
	parts := split(container.image.repository, "/")
	last_of(parts) in {"postgres", "postgis", "mysql", "mariadb", "mongo", "postgresql", "mongodb"}
} else := "run the script with bash -o pipefail -c if the image has bash"
