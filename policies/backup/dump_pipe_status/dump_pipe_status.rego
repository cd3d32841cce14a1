# METADATA
# title: A failed dump fails its Job
# description: >-
#   A pipe has the exit status of its last program. In `pg_dump … | gzip > file`, gzip always succeeds: if the database
#   is unreachable or the dump breaks off, a file of 20 bytes is written, the Job is complete, and the next rotation
#   deletes the last good dump. This policy flags pipes whose earlier part is a dump program (programs) in the scripts
#   of Jobs and CronJobs, unless pipefail or PIPESTATUS appears in them. `set -e` does not help. pipefail works in bash
#   and in the sh of Alpine's images, but not in Debian's: its sh is dash, which has pipefail only from 0.5.13 on.
#   A dump that is followed by `|| true`, or, without `set -e`, by a last command such as `echo` loses its status in the
#   same way; a script that decides or checks anything itself is believed. Scripts in ConfigMaps are seen in manifests,
#   those in images are not.
# related_resources:
# - ref: https://www.gnu.org/software/bash/manual/html_node/Pipelines.html
# - ref: https://www.postgresql.org/docs/current/app-pgdump.html
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [CronJob.batch, Job.batch], classes: [backup, batch, hook, durable, cache, identity-only]}
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
#       - redis-cli
#       - valkey-cli
#       description: Programs whose failure must not be lost in a pipe.
#   fix: >-
#     Let the dump program write the file itself, or run the script with bash -o pipefail -c if the image has bash.
#   why: "nobody notices that there is no backup until one is needed"
package stategate.backup.dump_pipe_status

import data.stategate.lib.settings

violation contains v if {
	some script in unwatched
	[program, last] := hidden_by(script.text)
	v := {
		"msg": sprintf(
			"when %s fails, the pipe still has the exit status of %s: the Job counts as complete and the dump is empty or cut off",
			[program, last],
		),
		"path": script.path,
		"fix": sprintf("%s; or %s", [
			object.get(ways, program, sprintf("Let %s write a file, and compress or send it after &&", [program])),
			in_bash(script.container),
		]),
	}
}

violation contains v if {
	some script in straight
	[program, last] := forgiven_in(script.text)
	v := {
		"msg": sprintf(
			"when %s fails, || %s makes a success of it: the Job counts as complete and the dump is missing or cut off",
			[program, last],
		),
		"path": script.path,
		"fix": sprintf("Take || %s away, so that the Job fails with %s", [last, program]),
	}
}

violation contains v if {
	some script in straight
	container := script.container
	text := script.text
	not stops_at_errors(container)
	not forgiven_in(text)
	[program, last] := followed_in(text)
	v := {
		"msg": sprintf(
			"when %s fails, the script goes on and ends with %s: the Job counts as complete and the dump is missing or cut off",
			[program, last],
		),
		"path": script.path,
		"fix": "Begin the script with set -e, so that it ends at the first error",
	}
}

# What is run where nothing looks at the status of a pipe.
unwatched := [script |
	some container in input.workload.containers
	not watched(container)
	some script in scripts(container)
]

# What of it neither hides the status of a dump in a pipe nor decides anything.
straight := [script |
	some script in unwatched
	text := script.text
	not hidden_by(text)
	not decides(text)
]

# What a shell runs, with its place: texts of the command, and scripts of ConfigMaps that it names.
scripts(container) := array.concat(
	[{"container": container, "text": text, "path": array.concat(container.path, [field, i])} |
		in_a_shell(container)
		some field in ["command", "args"]
		some i, text in container[field]
	],
	[{"container": container, "text": file.text, "path": places[0]} |
		some file in object.get(container, "files", [])
		places := [word.path | some word in settings.words(container); word.text == file.path]
		count(places) > 0
	],
)

in_a_shell(container) if {
	some word in array.concat(container.command, container.args)
	regex.match(`^(/[a-z/]*/)?(sh|bash|ash|dash|ksh|zsh)$`, word)
}

watched(container) if {
	some text in texts(container)
	regex.match(`pipefail|PIPESTATUS|pipestatus|dump complete|Dump completed`, text)
}

stops_at_errors(container) if {
	some text in texts(container)
	regex.match(`^-[a-z]{0,3}e[a-z]{0,3}$|(^|\s)set\s+-[a-z]*e|sh\s+-[a-z]*e|errexit`, text)
}

texts(container) := array.concat(
	array.concat(container.command, container.args),
	[file.text | some file in object.get(container, "files", [])],
)

# A script with conditions, loops, functions or exits of its own may look at the status, or at the dump.
decides(text) if {
	regex.match(`(^|[\s;&|(!])(if|case|for|while|until|test|\[|\[\[|trap|exit|return|wait|kill|false|pg_restore)(\s|;|$)`, text)
}

decides(text) if regex.match(`\$\?|<<|[^$][({]|^[({]`, text)

# Commands that succeed whatever was before them.
harmless := {"echo", "printf", "true", ":", "date", "ls", "find", "rm", "sleep", "du", "df", "sync", "touch", "logger"}

# `pg_dump … || true`
forgiven_in(text) := [found[0].program, found[0].last] if {
	contains(text, "||")
	some_program(text)
	found := [{"program": program, "last": last} |
		lines := statements(text)
		some i, line in lines
		parts := split(line, "||")
		count(parts) == 2
		program := run_in(last_of(split(parts[0], "&&")))
		last := first_word(parts[1])
		last in {"true", ":", "echo", "printf", "logger"}
		not contains(parts[1], "&&")
		every later in array.slice(lines, i + 1, count(lines)) {
			first_word(later) in harmless
		}
	]
	count(found) > 0
}

# `pg_dump …; echo done`
followed_in(text) := [found[0], last] if {
	some_program(text)
	lines := statements(text)
	last := first_word(last_of(lines))
	last in harmless
	found := [program |
		some line in array.slice(lines, 0, count(lines) - 1)
		program := run_in(last_of(split(line, "&&")))
	]
	count(found) > 0
}

statements(text) := [line |
	some rough in split(replace(replace(text, "\\\n", " "), ";", "\n"), "\n")
	line := trim_space(rough)
	line != ""
	not startswith(line, "#")
]

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

# These do much else.
is_a_dump(name, _) if not name in {"cockroach", "redis-cli", "valkey-cli"}

is_a_dump("cockroach", words) if "dump" in words

is_a_dump(name, words) if {
	name in {"redis-cli", "valkey-cli"}
	"--rdb" in words
}

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
	"redis-cli": "Write redis-cli --rdb FILE && gzip FILE instead",
	"valkey-cli": "Write valkey-cli --rdb FILE && gzip FILE instead",
}

# These images have bash, and those on Debian a sh without pipefail.
in_bash(container) := "run the script with bash -o pipefail -c (not sh, which may not know pipefail)" if {
	parts := split(container.image.repository, "/")
	last_of(parts) in {"postgres", "postgis", "mysql", "mariadb", "mongo", "postgresql", "mongodb"}
} else := "run the script with bash -o pipefail -c if the image has bash"
