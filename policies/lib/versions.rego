# How an update changes the version of a data store.
package stategate.lib.versions

import data.stategate.lib.confirm
import data.stategate.lib.publishers

confirmation := "stategate.io/confirm-version-change"

# Both engines, if their version numbers are comparable. Those of different images often are not (timescaledb 2.17 runs
# PostgreSQL 16), but PostgreSQL's major version is, where the images show it: the files of one open in the other.
change := {"old": old, "new": new, "text": text} if {
	old := input.old_workload.engine
	new := input.workload.engine
	old.name == new.name
	software(input.old_workload) == software(input.workload)
	every workload in [input.old_workload, input.workload] {
		shows_version(workload)
	}
	text := step(old, new)
} else := {"old": old, "new": new, "text": text} if {
	old := input.old_workload.engine
	new := input.workload.engine
	old.name == new.name
	tells_major(input.old_workload)
	tells_major(input.workload)
	text := sprintf("%d->%d", [old.major, new.major])
}

counted_as_postgres := {"postgres", "postgresql", "postgresql-repmgr", "postgis"}

# postgres:17.2, or pgvector:0.8.0-pg17
tells_major(workload) if {
	software(workload) in counted_as_postgres
	shows_version(workload)
}

tells_major(workload) if {
	workload.engine.name == "postgres"
	some container in workload.containers
	container.name == workload.engine.container
	contains(container.image.tag, sprintf("pg%d", [workload.engine.major]))
}

# Whether the tag tells the engine's version. Images of others mostly have versions of their own: a mirror of the
# official image is believed if the number is one that the engine has had.
shows_version(workload) if official(workload)

shows_version(workload) if {
	engine := workload.engine
	engine.major >= first_numbers[engine.name]
	contains(engine.version, ".")
}

official(workload) if {
	some container in workload.containers
	container.name == workload.engine.container
	publishers.versioned(container.image)
}

# The first number of the oldest releases that still run somewhere. Below 3, it may be anybody's version.
first_numbers := {
	"cassandra": 3, "clickhouse": 18, "cockroach": 19, "elasticsearch": 5, "etcd": 3, "kafka": 3, "mongodb": 3,
	"mysql": 5, "neo4j": 3, "postgres": 9, "rabbitmq": 3, "redis": 3, "zookeeper": 3,
}

# The last part of the repository: the same image from a mirror is the same software.
software(workload) := name if {
	some container in workload.containers
	container.name == workload.engine.container
	parts := split(container.image.repository, "/")
	name := parts[count(parts) - 1]
}

# MinIO's releases are dates: RELEASE.2022-10-29T06-21-33Z, or 2022.10.29 of Bitnami's.
dated(workload) := first if {
	official(workload)
	first := [{"tag": tag, "release": release} |
		some container in workload.containers
		container.name == workload.engine.container
		tag := container.image.tag
		date := regex.find_n(`^(RELEASE\.)?20[0-9]{2}[.-][0-9]{1,2}[.-][0-9]{1,2}`, tag, 1)[0]
		parts := split(replace(trim_prefix(date, "RELEASE."), "-", "."), ".")
		release := [to_number(trim_left(part, "0")) | some part in parts]
	][0]
}

# The numbers in the tags, or the major versions where those numbers belong to other software (2.17.2-pg16).
step(old, new) := sprintf("%d->%d", [old.major, new.major]) if {
	old.major != new.major
	of_something_else(new)
} else := sprintf("%s->%s", [old.version, new.version]) if {
	old.version != new.version
} else := sprintf("%d->%d", [old.major, new.major])

of_something_else(engine) if {
	told := engine.version
	major := sprintf("%d", [engine.major])
	not startswith(told, major)
}

# Is the new version below the old one in the given count of leading numbers, as far as both tags show them?
goes_back(old, new, numbers) if {
	told := min([numbers, count(old.release), count(new.release)])
	array.slice(new.release, 0, told) < array.slice(old.release, 0, told)
}

doubt := confirm.missing(input.workload, confirmation, change.text)

command := confirm.command(lower(input.workload.kind), input.workload, confirmation, change.text)

# Is a release below a version written as text, in as many numbers as both have?
below(release, version) if {
	wanted := [to_number(part) | some part in split(version, ".")]
	told := min([count(wanted), count(release)])
	array.slice(release, 0, told) < array.slice(wanted, 0, told)
}
