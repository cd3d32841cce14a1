# Which CronJob makes backups.
package stategate.lib.backup_jobs

# Its name, its images or its commands say so, and none of them says that it does something else with backups.
makes_backups if {
	input.workload.kind == "CronJob"
	says_so
	not does_something_else
}

says_so if regex.match(tools, regex.replace(concat(" ", array.concat(names, commands)), of_velero, ""))

says_so if {
	some name in names
	regex.match(dumper, name)
}

does_something_else if regex.match(other_uses, input.workload.name)

does_something_else if {
	count(commands) > 0
	every container in input.workload.containers {
		regex.match(other_uses, program(container))
	}
}

does_something_else if {
	some command in commands
	regex.match(loads, regex.replace(command, `pg_restore\s+(-l|--list)\s`, ""))
}

# What has only definitions brings no data back.
does_something_else if {
	some command in commands
	regex.match(schema_only, command)
	not regex.match(tools, regex.replace(concat("\n", commands), schema_only, ""))
}

names := array.concat([input.workload.name], [name |
	some container in input.workload.containers
	some name in [container.name, container.image_name]
])

commands := [concat(" ", array.concat(container.command, container.args)) | some container in input.workload.containers]

# What it runs, without its directory; of a script in the manifest, its first line.
program(container) := parts[count(parts) - 1] if {
	run := [word |
		some word in array.concat(container.command, container.args)
		not regex.match(`^-|^(/[a-z/]*/)?(ba|da|a|k|z)?sh$|^(/[a-z/]*/)?(env|tini|dumb-init|python3?)$`, word)
	][0]
	not regex.match(`\s`, run)
	parts := split(run, "/")
} else := ""

tools := concat("", [
	`(?i)backup|pgbackrest|barman|restic|kopia|wal-g|snapshot save|--rdb|nodetool\s[^|;&]*snapshot|mc mirror|borg create|expdp`,
	`|(pg|ysql|riak|influx)_dump|mysql-?dump|mysqlpump|maria(db)?-dump|mongo-?dump|arangodump|elasticdump|mydumper|(rethinkdb|cockroach) dump`,
])

# Resources in which Velero keeps its settings.
of_velero := `(?i)backup(repositor(y|ies)|storagelocations?)`

# Of a name, with a tag if it is an image's.
dumper := `(?i)(^|[-_/])dump(s|er|ers)?(-(cron|cronjob|job|daily|hourly|nightly|weekly))?([:@].*)?$`

other_uses := concat("", [
	`(?i)restor|clean|prun|expire|retention|purge|rotat|verif|check|test|report|monitor|migrat|analy[sz]`,
	`|(heap|core|thread)[-_]?dump|(^|[^a-z])(down|pre|re)?load|(^|[^a-z])seed|(^|[^a-z])import(s|er|ers)?([^a-z]|$)`,
])

# What loads a dump into a database.
loads := concat("", [
	`\b(pg_restore|mongorestore|mysqlimport|arangorestore|myloader|sstableloader|impdp)\b|\srestore\s`,
	`|\b(mysql|mariadb|psql)\b[^|;&<\n]*<[ \t]*[^<(\s]|\|\s*(\S*/)?(mysql|mariadb|psql)\b`,
	`|\bpsql\s[^|;&\n]*(-f|--file)[ =]?\S*(backup|dump)|\bsource\s+\S+\.sql`,
])

schema_only := concat("", [
	`\bpg_dump(all)?\s((\\\n|[^|;&\n])*\s)?(-[OxcCv]*s[OxcCv]*|--schema-only)(\s|$)`,
	`|\b(mysqldump|mariadb-dump)\s((\\\n|[^|;&\n])*\s)?(-d|--no-data)(\s|$)`,
])
