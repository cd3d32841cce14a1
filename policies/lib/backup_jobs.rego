# Which CronJob makes backups.
package stategate.lib.backup_jobs

# Its name, its images or its commands say so, and none of them says that it does something else with backups.
makes_backups if {
	input.workload.kind == "CronJob"
	text := concat(" ", array.concat([input.workload.name], words))
	regex.match(tools, text)
	not regex.match(other_uses, input.workload.name)
}

words := [word |
	some container in input.workload.containers
	some word in array.concat([container.name, container.image_name], array.concat(container.command, container.args))
]

tools := `(?i)backup|dump|pgbackrest|barman|restic|kopia|wal-g|snapshot save|--rdb|nodetool\s[^|;&]*snapshot|mc mirror|borg create|expdp`

other_uses := `(?i)restor|clean|prun|expire|retention|purge|rotat|verif|check|test|report|monitor`
