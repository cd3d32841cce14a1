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
		"fix": admitting(dump, stops_at_errors(script.container)),
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
remedy(pipe, container) := "Begin what is in the quotes with `set -o pipefail;`, and let bash run it there" if {
	pipe.call != ""
	pipe.quote != ""
	contains(split(pipe.after, pipe.quote)[0], ">")
} else := "Begin what is in the quotes with `set -o pipefail;`, and let bash run it" if {
	pipe.quote != ""
	encrypted(pipe)
} else := sprintf("%s; or begin what is in the quotes with `set -o pipefail;`, and let bash run it", [in_steps(pipe)]) if {
	pipe.quote != ""
} else := sprintf("R%s", [substring(in_bash(container), 1, -1)]) if {
	encrypted(pipe)
} else := sprintf("%s; or %s", [in_steps(pipe), in_bash(container)])

# A file in between would hold what nobody may read.
encrypted(pipe) if {
	some next in pipe.rest
	next in encrypters
}

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

redirected(pipe) := sprintf("%s%s … > FILE && %s%s", [pipe.call, pipe.program, compressors[last_of(pipe.rest)], pipe.end]) if {
	only_compressed(pipe)
} else := sprintf("%s%s … > FILE && %s … < FILE%s%s", [pipe.call, pipe.program, pipe.rest[0], others, pipe.end]) if {
	others := concat("", [sprintf(" | %s …", [next]) | some next in array.slice(pipe.rest, 1, count(pipe.rest))])
}

only_compressed(pipe) if {
	every next in pipe.rest {
		compressors[next]
	}
}

# What else makes the script end at a dump that fails: set -e passes over what fails before &&.
stopping(dump, true) := sprintf("Give %s a line of its own: set -e passes over what fails before &&", [dump.program])

stopping(dump, false) := sprintf("Begin %s with set -e%s, so that it ends at the first error", [scope(dump), own_line(dump)]) if {
	dump.quote == ""
} else := sprintf("Begin %s with set -e%s, so that both end at the first error", [scope(dump), own_line(dump)])

admitting(dump, strict) := sprintf("Take || %s away%s, so that the Job fails with %s", [dump.last, more, dump.program]) if {
	more := also(dump, strict)
}

# The list decides if nothing comes after it.
also(dump, _) := "" if dump.ends

also(dump, true) := trim_prefix(own_line(dump), ",") if not dump.ends

also(dump, false) := sprintf(", begin %s with set -e%s", [scope(dump), own_line(dump)]) if {
	not dump.ends
	dump.steps
} else := sprintf(" and begin %s with set -e", [scope(dump)]) if {
	not dump.ends
}

own_line(dump) := sprintf(", and give %s a line of its own", [dump.program]) if {
	dump.steps
} else := ""

scope(dump) := "the script" if {
	dump.quote == ""
} else := "the script and what is in the quotes"

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

any_file := harmless | undemanding

# Programs that compress, and how they replace the file of the last time: lz4 writes to a pipe unless it is told where.
compressors := {
	"bzip2": "bzip2 -f FILE",
	"gzip": "gzip -f FILE",
	"lz4": "lz4 -f FILE FILE.lz4",
	"lzop": "lzop -f FILE",
	"pbzip2": "pbzip2 -f FILE",
	"pigz": "pigz -f FILE",
	"xz": "xz -f FILE",
	"zstd": "zstd -f --rm FILE",
}

encrypters := {"age", "ccrypt", "gpg", "gpg2", "openssl", "rage"}

packers := (object.keys(compressors) | encrypters) | {"zip"}

succeeds(command) if first_word(command) in any_file

# Unless they read what such a program has written.
succeeds(command) if {
	first_word(command) in packers
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
unnoticed(lines) := event if {
	run := commands(lines)
	event := unnoticed_by(run)
}

unnoticed_by(run) := "fails" if {
	every command in run {
		first_word(command) in harmless
	}
} else := "breaks off" if {
	every command in run {
		succeeds(command)
	}
}

commands(lines) := [last_of(split(pipe, "|")) |
	some line in lines
	some pipe in split(replace(line, "||", "&&"), "&&")
]

# The same of what follows each line, by the last line that may notice.
event_after(i, noticed) := "fails" if {
	i >= noticed.fails
} else := "breaks off" if {
	i >= noticed.breaks_off
}

last_noticed(lines) := {
	"fails": max({-1} | {i | some i, event in events; event != "fails"}),
	"breaks_off": max({-1} | {i | some i, event in events; event == ""}),
} if {
	events := [event_of(line) | some line in lines]
}

# Only such a script ends before its last line.
last_noticed_if(true, lines) := last_noticed(lines)

last_noticed_if(false, _) := {"fails": 0}

event_of(line) := event if {
	event := unnoticed([line])
} else := ""

# `pg_dump … || true`
forgiven_in(text) := dump if {
	contains(text, "||")
	some_program(text)
	lines := statements(text)
	noticed := last_noticed(lines)
	found := [{"place": i, "program": program, "event": event, "last": last, "steps": j < count(steps) - 1} |
		some i, line in lines
		contains(line, "||")
		parts := split(line, "||")
		count(parts) == 2
		steps := split(parts[0], "&&")
		some j, step in steps
		program := run_in(step)
		last := first_word(parts[1])
		last in {"true", ":", "echo", "printf", "logger"}
		not contains(parts[1], "&&")
		event := event_after(i, noticed)
	]
	first := found[0]
	dump := object.union(first, {
		"quote": open_quote(concat("\n", array.slice(lines, 0, first.place + 1))),
		"ends": end_of(array.slice(lines, first.place + 1, count(lines))) == "",
	})
}

# `pg_dump …; echo done`
followed_in(text, strict) := dump if {
	some_program(text)
	lines := statements(text)
	last := last_of(lines)
	unnoticed([last])
	at_the_end := event_of(last)
	found := [{"place": i, "program": program, "event": event, "last": first_word(last_of(commands([last]))), "steps": later > 0} |
		noticed := last_noticed_if(strict, lines)
		some i, line in array.slice(lines, 0, count(lines) - 1)
		some_program(line)
		parts := split(line, "||")
		unnoticed(array.slice(parts, 1, count(parts)))
		steps := split(parts[0], "&&")
		some j, step in steps
		program := run_in(step)
		later := (count(steps) - j) - 1
		event := goes_on(strict, later, at_the_end, i >= noticed.fails)
	]
	first := found[0]
	dump := object.union(first, {"quote": open_quote(concat("\n", array.slice(lines, 0, first.place + 1)))})
}

# After a step before && fails, the ones that follow it may miss their files.
goes_on(false, 0, at_the_end, _) := at_the_end

goes_on(false, later, "fails", _) := "fails" if later > 0

goes_on(true, later, _, true) := "fails" if later > 0

statements(text) := [line |
	some rough in split(replace(whole(text), ";", "\n"), "\n")
	line := trim_space(rough)
	line != ""
	not startswith(line, "#")
]

# Without comments, and each command on one line.
whole(text) := regex.replace(replace(hosts.uncommented(text), "\\\n", " "), `(&&|\|)[ \t]*\n\s*`, "${1} ")

# The first dump program whose status a pipe loses, and what is around it.
hidden_by(text) := pipe if {
	contains(text, "|")
	some_program(text)
	lines := split(apart(whole(text)), "\n")
	found := [[i, j, program] |
		some i, line in lines
		contains(line, "|")
		some_program(line)
		parts := split(line, "|")
		some j, part in array.slice(parts, 0, count(parts) - 1)
		program := run_in(part)
		first_word(parts[j + 1])
	]
	[i, j, program] := found[0]
	parts := split(lines[i], "|")
	next := array.slice(parts, j + 1, count(parts))
	before := concat("\n", array.concat(array.slice(lines, 0, i), [concat("|", array.slice(parts, 0, j + 1))]))
	pipe := {
		"program": program,
		"rest": [first_word(command) | some command in next],
		"quote": open_quote(before),
		"call": call_in(before),
		"after": concat("|", next),
		"end": end_of(array.slice(lines, i + 1, count(lines))),
	}
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
	not assigns(word)
	name := last_of(split(word, "/"))
	not name in {"exec", "nice", "sudo", "time"}
][0]

assigns(word) if {
	contains(word, "=")
	regex.match(`^[A-Za-z_][A-Za-z0-9_]*=`, word)
}

last_of(parts) := parts[count(parts) - 1]

# These images have bash, and those on Debian a sh without pipefail.
in_bash(container) := "run the script with bash -o pipefail -c (not sh, which may not know pipefail)" if {
	parts := split(container.image.repository, "/")
	last_of(parts) in {"postgres", "postgis", "mysql", "mariadb", "mongo", "postgresql", "mongodb"}
} else := "run the script with bash -o pipefail -c if the image has bash"
