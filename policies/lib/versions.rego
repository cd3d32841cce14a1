# How an update changes the version of a data store.
package stategate.lib.versions

import data.stategate.lib.confirm

confirmation := "stategate.io/confirm-version-change"

# Both engines, if they are the same software: numbers of different images do not compare
# (timescaledb 2.17 runs PostgreSQL 16).
change := {"old": old, "new": new, "text": text} if {
	old := input.old_workload.engine
	new := input.workload.engine
	old.name == new.name
	software(input.old_workload) == software(input.workload)
	text := step(old, new)
}

# The last part of the repository: the same image from a mirror is the same software.
software(workload) := name if {
	some container in workload.containers
	container.name == workload.engine.container
	parts := split(container.image.repository, "/")
	name := parts[count(parts) - 1]
}

# The tags' numbers, or the majors where the numbers are those of something else (2.17.2-pg16).
step(old, new) := sprintf("%s->%s", [old.version, new.version]) if {
	old.version != new.version
} else := sprintf("%d->%d", [old.major, new.major])

# Is the new one below the old one in the first so many numbers, as far as both tags tell them?
goes_back(old, new, numbers) if {
	told := min([numbers, count(old.release), count(new.release)])
	array.slice(new.release, 0, told) < array.slice(old.release, 0, told)
}

doubt := confirm.missing(input.workload, confirmation, change.text)

command := confirm.command(lower(input.workload.kind), input.workload, confirmation, change.text)
