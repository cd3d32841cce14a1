# METADATA
# title: The real data directory is on a volume
# description: >-
#   A data store that writes outside its volume works until its container restarts: then everything is gone. The cause
#   is a volume mounted at a path that the image does not use, a PGDATA outside the volume, or the official postgres
#   image from 18 on, which writes below /var/lib/postgresql/18 instead of below /var/lib/postgresql/data. The directory
#   is known from arguments, environment or the table of images; for your own image that writes elsewhere, set the
#   annotation stategate.io/data-paths. Of an image that only has a data store's name, and that has a lasting volume
#   somewhere, the directory is not known: volume-data-dir-known asks for it. So it does where nothing but the name of
#   another maker's image says that it is a data store: no port, variable, command or version of it. If a Secret decides, or a ConfigMap that
#   is not known, nothing is flagged; if a script does, volume-data-dir-known says so. What a data store needs beside
#   its data directory is checked, too: ZooKeeper's transactions (/datalog), a write-ahead log on a disk of its own, the
#   commit log of Cassandra, the configuration of OpenLDAP. A configuration file that is not known may move the data to
#   another volume: with one, nothing is flagged. A volume that is mounted read-only, a ConfigMap or Secret included,
#   keeps no data. Neither does a volume mounted above a path that the image declares as VOLUME: containerd lays an
#   empty volume over that path, which is deleted with the container (CRI-O does so only if configured to).
#   volume-no-emptydir-data covers an emptyDir at the directory, volume-no-ephemeral-claim-data a generic ephemeral
#   volume, volume-no-hostpath-data a hostPath. A Redis whose name says that it is a cache passes if it has no lasting
#   volume and is not told to keep a log (cache_names; the profile regulated does not go by names), and so does one that
#   drops any key when its memory is full (maxmemory with an allkeys policy). The profile baseline, which refuses only
#   what is certain, leaves Redis and Prometheus without any volume to volume-data-dir-known, since many of them are caches or keep what
#   nobody misses (often_caches). Two cases are not
#   detected: an inline csi volume, which ends with its pod, and a VOLUME that hides your mount in an image that the
#   table of images does not list.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#pgdata
#   description: The data directory of the official postgres image, before and from 18 on.
# - ref: https://github.com/docker-library/postgres/issues/1400
#   description: Data that was lost by the old mount.
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   parameters:
#     cache_names:
#       type: list
#       of: string
#       default: [cache, "cache-*", "*-cache", "*-cache-*"]
#       description: A Redis of such a name (globs) without a lasting volume is a cache.
#     often_caches:
#       type: list
#       of: string
#       default: []
#       description: Data stores without any volume that volume-data-dir-known tells of instead.
#   fix: >-
#     If it runs, save its data first. Mount a persistent volume that holds the data directory; your own image that
#     writes elsewhere on a volume names that in stategate.io/data-paths; for a mere cache, annotate
#     stategate.io/data-durability: cache.
#   why: what is written outside a writable volume lives only as long as its container
package stategate.storage.volume_data_dir_persisted

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.publishers

violation contains v if {
	not a_cache
	some container in input.workload.containers
	name := container.name
	not told_as_a_cache(name)
	dirs := homeless(name)
	count(dirs) > 0
	not data_dirs.by_name_alone(container, dirs)
	where := concat(" and ", places(dirs))
	v := {
		"msg": message(container, dirs, where),
		"path": container.path,
		"fix": remedy_or_back(container, dirs, where),
		"details": {"mounts": [mount.mount_path | some mount in container.mounts]},
	}
}

a_cache if data_dirs.called_a_cache(input.workload, input.parameters.cache_names)

told_as_a_cache(name) if data_dirs.often_a_cache(name, input.parameters.often_caches)

message(container, dirs, where) := text if {
	data_dirs.of_another_make(container, dirs)
	text := sprintf(
		"no volume holds the data of container %s: a restart loses all of it (the known images of %s keep it in %s)",
		[container.name, input.workload.engine.name, where],
	)
} else := sprintf("container %s keeps its %s in %s, where %s", [container.name, kept(dirs), where, consequence(dirs)])

# What a data store keeps beside its tables, where only that is lost.
kept(dirs) := what if {
	what := beside[engine_of(dirs)]
	every dir in dirs {
		dir.origin == "also"
	}
} else := "data"

# They are of one container.
engine_of(dirs) := dumps.engine_in([dir.container | some dir in dirs][0])

beside := {"cassandra": "last writes", "scylla": "last writes", "openldap": "configuration"}

consequence(dirs) := "no volume holds them: a crash loses what is not yet in its tables" if {
	kept(dirs) == "last writes"
} else := "no volume holds it: without it, it does not start again on its data" if {
	kept(dirs) == "configuration"
} else := "every volume is mounted read-only: nothing that it writes is kept" if {
	every dir in dirs {
		dir.mount.read_only
	}
} else := sprintf("the image's own VOLUME hides what is mounted above it: %s", [outcome(dirs)]) if {
	every dir in dirs {
		dir.hidden_by
	}
} else := sprintf("no volume holds it: %s", [outcome(dirs)])

outcome(dirs) := "with a volume at /var/lib/postgresql/data, the image refuses to start, or starts empty" if {
	some dir in dirs
	regex.match(`^/var/lib/postgresql/[0-9]+/docker$`, dir.dir)
	some container in input.workload.containers
	container.name == dir.container
	some mount in container.mounts
	mount.mount_path == "/var/lib/postgresql/data"
} else := "it starts empty there, and a restart loses what it writes" if {
	some dir in dirs
	data_dirs.left(dir)
} else := "a restart loses all of it"

# The table's guesses are alternatives for one place; every other directory counts by itself.
places(dirs) := {dir.dir | some dir in dirs; not data_dirs.guessed(dir)} | {guess |
	guesses := {dir.dir | some dir in dirs; data_dirs.guessed(dir)}
	count(guesses) > 0
	guess := concat(" or ", guesses)
}

# What was on a volume until this update is there still: nothing is to be saved.
remedy_or_back(container, dirs, where) := concat(". ", ways) if {
	ways := {way | some dir in dirs; way := data_dirs.keep(dir)}
	count(ways) > 0
} else := remedy(container, dirs, where)

# The volume with the tables must stay where it is: moved up, the store starts empty.
remedy(container, dirs, where) := sprintf(
	"Leave the volume that is there, and mount a second claim at %s. Right before a pod restarts: nodetool drain in it",
	[where],
) if {
	kept(dirs) == "last writes"
} else := sprintf(
	"If it runs, copy %s out first (kubectl cp), and into a new claim before it is mounted there: %s",
	[where, "it does not start with an empty one beside its data"],
) if {
	kept(dirs) == "configuration"
} else := sprintf(
	"Mount volume %s at /var/lib/postgresql instead: of 18 and later, the data is below it. If there are data of an older version on it, %s",
	[volume, "keep that version's image, and dump them first"],
) if {
	volume := too_deep(container, dirs)
} else := sprintf("%sMount %s%s", [first(container), concat(" and ", at), hides]) if {
	at := {text | some dir in dirs; text := beneath(container, dir)}
	count(at) > 0
} else := sprintf("%sMount %s where its image writes (%s, unless it was built for another directory)%s", [
	first(container), data_dirs.remedy, where, way_out(container),
]) if {
	data_dirs.of_another_make(container, dirs)
} else := concat("", [first(container), fix(container, where)])

# The volume at the directory of older versions, which the image of PostgreSQL 18 refuses.
too_deep(container, dirs) := volumes[0] if {
	some dir in dirs
	regex.match(`^/var/lib/postgresql/[0-9]+/docker$`, dir.dir)
	volumes := [mount.volume |
		some mount in container.mounts
		mount.mount_path == "/var/lib/postgresql/data"
		data_dirs.persisted({"mount": mount})
	]
	count(volumes) > 0
}

# A mount at the VOLUME itself. With a subPath there is no lost+found in it, and it is where CRI-O has kept the data.
beneath(container, dir) := sprintf("volume %s at %s with %s: %s", [volume, path, key, place]) if {
	path := dir.hidden_by
	above := closest(container, path)
	volume := above.volume
	data_dirs.persisted({"mount": above})
	below := substring(dir.hidden_by, count(trim_suffix(above.mount_path, "/")) + 1, -1)
	place := concat("/", [part | some part in [object.get(above, "sub_path", ""), below]; part != ""])
	key := key_of(place)
} else := sprintf("%s at %s%s", [data_dirs.remedy, dir.hidden_by, beside_lost_found(dir)]) if {
	dir.hidden_by
}

# PostgreSQL and Kafka do not start in the root of a new ext4 file system.
beside_lost_found(dir) := " with subPath: data" if {
	dumps.engine_in(dir.container) in {"postgres", "kafka"}
	dir.dir == dir.hidden_by
} else := ""

# Only subPathExpr expands variables.
key_of(place) := "subPathExpr" if {
	contains(place, "$(")
} else := "subPath"

closest(container, path) := last[count(last) - 1].mount if {
	last := sort([{"length": count(mount.mount_path), "mount": mount} |
		some mount in container.mounts
		startswith(path, sprintf("%s/", [trim_suffix(mount.mount_path, "/")]))
	])
}

hides := ": above it, containerd lays the image's empty VOLUME over what is mounted"

# Whatever is changed, the pods start anew.
first(container) := sprintf("Save the data first (%s), for this update loses it. ", [dumps.save_of(container.name)]) if {
	input.review.operation == "UPDATE"
} else := sprintf("If it runs, save its data first (%s): the change loses it. ", [dumps.save_of(container.name)])

fix(container, where) := by_variable if {
	container.name == input.workload.engine.container
	by_variable
} else := sprintf(
	"Look in the container which of them it writes to, and mount %s at that one%s%s",
	[data_dirs.remedy, of_own_image, way_out(container)],
) if {
	contains(where, " or ")
} else := sprintf("Mount %s that holds %s%s%s", [data_dirs.remedy, held(where), of_own_image, way_out(container)])

# Bitnami's scripts take a directory with a new disk's lost+found for one that has data already.
held(where) := trim_suffix(where, "/data") if {
	regex.match(`^/bitnami/[a-z-]+/data$`, where)
} else := where

# What its publisher's image does is known.
of_own_image := "" if {
	every container in input.workload.containers {
		publishers.known(container.image)
	}
} else := "; if your own image writes elsewhere on a volume, name that in stategate.io/data-paths"

# The volume is there, and the variable that leads to it is not.
by_variable := sprintf("Name the variable PGDATA, not %s: the image does not read %s", [name, name]) if {
	input.workload.engine.name == "postgres"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	name := min({env.name | some env in container.env; env.name in misspelt; leads_to_a_volume(container, env.value)})
} else := sprintf("Set %s: %s/logs, so that Kafka writes to the volume%s", [variable, at, more]) if {
	input.workload.engine.name == "kafka"
	some dir in input.workload.engine.data_dirs
	dir.origin == "default"
	some container in input.workload.containers
	container.name == dir.container
	at := min({mount.mount_path | some mount in container.mounts; data_dirs.persisted({"mount": mount})})
	variable := log_dirs(container)
	more := whole(container)
}

log_dirs(container) := "KAFKA_CFG_LOG_DIRS" if {
	contains(container.image.repository, "bitnami")
} else := "KAFKA_LOG_DIRS"

# With one variable, the image of apache/kafka leaves its default configuration out.
whole(container) := "" if {
	some variable in container.env
	startswith(variable.name, "KAFKA_")
} else := "; it then takes its whole configuration from KAFKA_ variables"

misspelt := {
	"PG_DATA",
	"PG_DATA_DIR",
	"PGDATADIR",
	"PGDATA_DIR",
	"POSTGRES_DATA",
	"POSTGRES_DATA_DIR",
	"POSTGRES_PGDATA",
}

leads_to_a_volume(container, path) if {
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
	startswith(sprintf("%s/", [path]), sprintf("%s/", [mount.mount_path]))
}

# Only for engines that are often used as a cache.
way_out(container) := "; if it is only a cache, stategate.io/data-durability: cache" if {
	dumps.engine_in(container.name) in {"redis", "elasticsearch", "prometheus", "loki", "tempo", "nats"}
} else := ""

homeless(name) := {dir |
	some dir in data_dirs.unpersisted
	dir.container == name
	not data_dirs.copied(dir)
	not data_dirs.uncertain(dir)
	not on_scratch(dir)
	not guess_on_scratch(dir)
}

on_scratch(dir) if {
	dir.mount.source in {"emptyDir", "ephemeral"}
	not dir.mount.read_only
}

# If one of the table's guesses is on scratch space, that is the violation, and another policy reports it.
guess_on_scratch(dir) if {
	dir.origin == "default"
	dir.container in guessed_on_scratch
}

guessed_on_scratch := {dir.container | some dir in data_dirs.unpersisted; data_dirs.guessed(dir); on_scratch(dir)}
