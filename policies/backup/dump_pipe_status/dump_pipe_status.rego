# METADATA
# title: A failed dump fails its Job
# description: >-
#   A pipe has the exit status of its last program. In `pg_dump … | gzip > file`, gzip always succeeds: if the database
#   is unreachable or the dump breaks off, a file of 20 bytes is written, the Job is complete, and the next rotation
#   deletes the last good dump. This policy flags pipes whose earlier part is a dump program (programs) in the scripts
#   of Jobs and CronJobs, unless pipefail or PIPESTATUS appears in them. `set -e` does not help. pipefail works in bash
#   and in the sh of Alpine's images, but not in Debian's: its sh is dash, which has pipefail only from 0.5.13 on.
#   A dump that is followed by `|| true`, or, without `set -e`, by a last command that takes any file, such as `gzip` or
#   `aws`, loses its status in the same way, and so does one before `&&`, which `set -e` passes over; a script that
#   decides or checks anything itself is believed. Scripts in ConfigMaps are seen in manifests, those in images are not.
# related_resources:
# - ref: https://www.gnu.org/software/bash/manual/html_node/Pipelines.html
# - ref: https://www.postgresql.org/docs/current/app-pgdump.html
# - ref: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
#   description: set -e does not end at a command of a list with && unless that is its last.
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
#     Let the dump program write a file, and compress or send that afterwards; or run the script with
#     bash -o pipefail -c if the image has bash.
#   why: "nobody notices that there is no backup until one is needed"
package stategate.backup.dump_pipe_status

import data.stategate.lib.hosts
import data.stategate.lib.settings

violation contains v if {
	some script in unwatched
	pipe := hidden_by(script.text)
	v := {
		"msg": sprintf(
			"when %s fails, the pipe still has the exit status of %s: the Job counts as complete and the dump is empty or cut off",
			[pipe.program, last_of(pipe.rest)],
		),
		"path": script.path,
		"fix": remedy(pipe, script.container),
	}
}

violation contains v if {
	some script in straight
	dump := forgiven_in(script.text)
	v := {
		"msg": sprintf(
			"when %s %s, || %s makes a success of it: the Job counts as complete and the dump is %s",
			[dump.program, dump.event, dump.last, left[dump.event]],
		),
		"path": script.path,
		"fix": sprintf("Take || %s away, so that the Job fails with %s", [dump.last, dump.program]),
	}
}

violation contains v if {
	some script in straight
	text := script.text
	strict := stops_at_errors(script.container)
	not forgiven_in(text)
	dump := followed_in(text, strict)
	v := {
		"msg": sprintf(
			"when %s %s, the script goes on and ends with %s: the Job counts as complete and the dump is %s",
			[dump.program, dump.event, dump.last, left[dump.event]],
		),
		"path": script.path,
		"fix": stopping(dump, strict),
	}
}

left := {"fails": "missing or cut off", "breaks off": "cut off"}

# A pipe in quotes is another shell's, which may run elsewhere and write its file there.
remedy(pipe, container) := "Begin what is in the quotes with set -o pipefail; and let bash run it there" if {
	pipe.call != ""
	pipe.quote != ""
	contains(split(pipe.after, pipe.quote)[0], ">")
} else := sprintf("%s; or begin what is in the quotes with set -o pipefail; and let bash run it", [in_steps(pipe)]) if {
	pipe.quote != ""
} else := sprintf("%s; or %s", [in_steps(pipe), in_bash(container)])

# The steps of the pipe, one after the other. What runs elsewhere would write its files there.
in_steps(pipe) := sprintf("Redirect its output to a file here: %s", [redirected(pipe)]) if {
	pipe.call != ""
} else := sprintf("Write a file first: %s", [redirected(pipe)]) if {
	not only_compressed(pipe)
} else := sprintf("Write pg_dump -Fc -f FILE%s instead, which is compressed already (pg_restore reads it)", [pipe.end]) if {
	pipe.program == "pg_dump"
} else := sprintf("Write mongodump --archive=FILE --gzip%s instead", [pipe.end]) if {
	pipe.program == "mongodump"
} else := sprintf("Write %s instead", [redirected(pipe)])

redirected(pipe) := sprintf("%s%s … > FILE && %s FILE%s", [pipe.call, pipe.program, last_of(pipe.rest), pipe.end]) if {
	only_compressed(pipe)
} else := sprintf("%s%s … > FILE && %s … < FILE%s%s", [pipe.call, pipe.program, pipe.rest[0], others, pipe.end]) if {
	others := concat("", [sprintf(" | %s …", [next]) | some next in array.slice(pipe.rest, 1, count(pipe.rest))])
}

only_compressed(pipe) if {
	every next in pipe.rest {
		next in compressors
	}
}

stopping(dump, true) := sprintf("Give %s a line of its own: set -e passes over what fails before &&", [dump.program])

stopping(dump, false) := "Begin the script with set -e, so that it ends at the first error" if {
	dump.quote == ""
} else := "Begin the script and what is in the quotes with set -e, so that both end at the first error"

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
} else := false

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

# Commands that succeed with a file that is empty or cut off, too.
undemanding := {
	"aws", "azcopy", "borg", "cat", "chmod", "chown", "cp", "curl", "gsutil", "head", "kopia", "ln", "mc", "md5sum", "mv",
	"rclone", "restic", "rsync", "s3cmd", "s5cmd", "scp", "sha256sum", "split", "stat", "tail", "wc", "wget",
}

compressors := {"bzip2", "gzip", "lz4", "lzop", "pbzip2", "pigz", "xz", "zstd"}

succeeds(command) if first_word(command) in harmless | undemanding

# Unless they read what such a program has written.
succeeds(command) if {
	first_word(command) in compressors | {"age", "gpg", "openssl", "zip"}
	not regex.match(`\s(-[a-z0-9]*[tdl][a-z0-9]*|--?(test|decompress|uncompress|list|decrypt|verify)|verify)(\s|$)`, command)
}

succeeds(command) if {
	first_word(command) == "tar"
	regex.match(`\star\s+-?[A-Za-z]*c|\s(-[A-Za-z]*c[A-Za-z]*|--create)\s`, sprintf(" %s ", [command]))
}

succeeds(command) if {
	first_word(command) in {"az", "gcloud"}
	contains(command, " storage ")
}

# How a dump may end and these still succeed: in any way, or only once it has begun to write a file.
unnoticed(lines) := "fails" if {
	every command in commands(lines) {
		first_word(command) in harmless
	}
} else := "breaks off" if {
	every command in commands(lines) {
		succeeds(command)
	}
}

commands(lines) := [last_of(split(pipe, "|")) |
	some line in lines
	some pipe in split(replace(line, "||", "&&"), "&&")
]

# `pg_dump … || true`
forgiven_in(text) := found[0] if {
	contains(text, "||")
	some_program(text)
	found := [{"program": program, "event": event, "last": last} |
		lines := statements(text)
		some i, line in lines
		parts := split(line, "||")
		count(parts) == 2
		some step in split(parts[0], "&&")
		program := run_in(step)
		last := first_word(parts[1])
		last in {"true", ":", "echo", "printf", "logger"}
		not contains(parts[1], "&&")
		event := unnoticed(array.slice(lines, i + 1, count(lines)))
	]
	count(found) > 0
}

# `pg_dump …; echo done`
followed_in(text, strict) := found[0] if {
	some_program(text)
	lines := statements(text)
	last := last_of(lines)
	unnoticed([last])
	found := [{"program": program, "event": event, "last": first_word(last_of(commands([last]))), "quote": quote} |
		some i, line in array.slice(lines, 0, count(lines) - 1)
		parts := split(line, "||")
		unnoticed(array.slice(parts, 1, count(parts)))
		steps := split(parts[0], "&&")
		some j, step in steps
		program := run_in(step)
		event := goes_on(strict, array.slice(steps, j + 1, count(steps)), array.slice(lines, i + 1, count(lines)))
		quote := open_quote(concat("\n", array.slice(lines, 0, i + 1)))
	]
	count(found) > 0
}

# Where steps are passed over, what follows may miss their files.
goes_on(false, [], later) := unnoticed([last_of(later)])

goes_on(false, steps, later) := "fails" if {
	count(steps) > 0
	unnoticed([last_of(later)]) == "fails"
}

goes_on(true, steps, later) := "fails" if {
	count(steps) > 0
	unnoticed(later) == "fails"
}

statements(text) := [line |
	some rough in split(replace(whole(text), ";", "\n"), "\n")
	line := trim_space(rough)
	line != ""
	not startswith(line, "#")
]

# Without comments, and each command on one line.
whole(text) := regex.replace(replace(hosts.uncommented(text), "\\\n", " "), `(&&|\|)[ \t]*\n\s*`, "${1} ")

# The first dump program whose status a pipe loses, and what is around it.
hidden_by(text) := found[0] if {
	contains(text, "|")
	some_program(text)
	lines := split(apart(whole(text)), "\n")
	found := [{"program": program, "rest": rest, "quote": quote, "call": call, "after": after, "end": end} |
		some i, line in lines
		contains(line, "|")
		parts := split(line, "|")
		some j, part in array.slice(parts, 0, count(parts) - 1)
		program := run_in(part)
		next := array.slice(parts, j + 1, count(parts))
		rest := [first_word(command) | some command in next]
		count(rest) > 0
		before := concat("\n", array.concat(array.slice(lines, 0, i), [concat("|", array.slice(parts, 0, j + 1))]))
		quote := open_quote(before)
		after := concat("|", next)
		call := call_in(before)
		end := end_of(array.slice(lines, i + 1, count(lines)))
	]
	count(found) > 0
}

# The quote that is open at the end of the text, if one is.
open_quote(text) := substring(regex.replace(unquoted(text), `^[^"']*`, ""), 0, 1)

# Without what is in whole quotes.
unquoted(text) := regex.replace(text, `(?s:\\.)|"([^"\\]|(?s:\\.))*"|'[^']*'`, "")

# What runs the end of the text elsewhere, as it is typed.
call_in(text) := found[0] if {
	opening := split(split(unquoted(text), `"`)[0], "'")[0]
	line := last_of(split(opening, "\n"))
	found := [call.typed | some call in calls; regex.match(call.pattern, line)]
	count(found) > 0
} else := ""

calls := [
	{"pattern": `\boc\s(.*\s)?(exec|rsh)\s`, "typed": "oc exec … -- "},
	{"pattern": `\b(docker|docker-compose|podman|nerdctl|crictl)\s(.*\s)?exec\s`, "typed": "docker exec … "},
	{"pattern": `\bkubectl\s(.*\s)?exec\s|\$\S+\s+exec\s|\sexec\s(.*\s)?--\s`, "typed": "kubectl exec … -- "},
	{"pattern": `(^|[\s/(])ssh\s`, "typed": "ssh … "},
]

# Unless it is the last command, what fails in a list with && ends nothing.
end_of(later) := "" if {
	every line in later {
		trim(line, " \t\"'`)}") == ""
	}
} else := " || exit 1"

some_program(text) if {
	some program in input.parameters.programs
	contains(text, program)
}

# One simple command or pipe to a line.
apart(text) := replace(replace(replace(text, "||", "\n"), "&&", "\n"), ";", "\n")

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

# Neither variables for it nor what runs it.
first_word(part) := [name |
	some word in words_of(part)
	not regex.match(`^[A-Za-z_][A-Za-z0-9_]*=`, word)
	name := last_of(split(word, "/"))
	not name in {"exec", "nice", "sudo", "time"}
][0]

last_of(parts) := parts[count(parts) - 1]

# These images have bash, and those on Debian a sh without pipefail.
in_bash(container) := "run the script with bash -o pipefail -c (not sh, which may not know pipefail)" if {
	parts := split(container.image.repository, "/")
	last_of(parts) in {"postgres", "postgis", "mysql", "mariadb", "mongo", "postgresql", "mongodb"}
} else := "run the script with bash -o pipefail -c if the image has bash"
