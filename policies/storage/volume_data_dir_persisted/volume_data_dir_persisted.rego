# METADATA
# title: The real data directory is on a volume
# description: >-
#   A data store that writes outside its volume works until its container restarts: then everything is gone. The
#   cause is a volume mounted at a path that the image does not use, a PGDATA outside the volume, or the official
#   postgres image from 18 on, which writes below /var/lib/postgresql/18 instead of below /var/lib/postgresql/data.
#   The directory is known from arguments, environment or the table of images; for your own image that writes
#   elsewhere, set the annotation stategate.io/data-paths. Of an image that only has a data store's name, and that has a
#   lasting volume somewhere, the directory is not known: volume-data-dir-known asks for it. If a Secret decides, or a
#   ConfigMap that is not known, nothing is flagged; if a script does, volume-data-dir-known says so. What a data store
#   needs beside its data directory is checked, too: ZooKeeper's transactions (/datalog), a write-ahead log on a disk of
#   its own. A volume that is mounted read-only, a ConfigMap or Secret included, keeps
#   no data. Neither does a volume mounted above a path that the image declares as VOLUME: containerd lays an empty
#   volume over that path, which is deleted with the container (CRI-O does so only if configured to).
#   volume-no-emptydir-data covers an emptyDir at the directory, volume-no-ephemeral-claim-data a generic ephemeral
#   volume, volume-no-hostpath-data a hostPath. Two cases are not detected: an inline csi volume, which ends with its
#   pod, and a VOLUME that hides your mount in an image that the table of images does not list.
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
	some container in input.workload.containers
	dirs := homeless(container.name)
	count(dirs) > 0
	where := concat(" and ", places(dirs))
	v := {
		"msg": sprintf("container %s keeps its data in %s, where %s", [container.name, where, consequence(dirs)]),
		"path": container.path,
		"fix": concat("", [first, fix(where, {dir.hidden_by | some dir in dirs})]),
		"details": {"mounts": [mount.mount_path | some mount in container.mounts]},
	}
}

consequence(dirs) := "every volume is mounted read-only: nothing that it writes is kept" if {
	every dir in dirs {
		dir.mount.read_only
	}
} else := "the image's own VOLUME hides what is mounted above it: a restart loses all of it" if {
	every dir in dirs {
		dir.hidden_by
	}
} else := "no volume holds it: a restart loses all of it"

# The table's guesses are alternatives for one place; every other directory counts by itself.
places(dirs) := {dir.dir | some dir in dirs; not data_dirs.guessed(dir)} | {guess |
	guesses := {dir.dir | some dir in dirs; data_dirs.guessed(dir)}
	count(guesses) > 0
	guess := concat(" or ", guesses)
}

# Whatever is changed, the pods start anew.
first := sprintf("Save the data first (%s), for this update loses it. ", [dumps.save]) if {
	input.review.operation == "UPDATE"
} else := sprintf("If it runs, save its data first (%s): the change loses it. ", [dumps.save])

fix(where, hiding) := by_variable if {
	count(hiding) == 0
	by_variable
} else := sprintf(
	"Mount %s that holds %s%s%s",
	[data_dirs.remedy, where, of_own_image, way_out],
) if {
	count(hiding) == 0
} else := sprintf(
	"Mount the volume at %s, not above%s: containerd lays the image's empty VOLUME there (with CRI-O, give a subPath %s)",
	[concat(" and at ", hiding), beside_lost_found, "its old place"],
)

# What its publisher's image does is known.
of_own_image := "" if {
	every container in input.workload.containers {
		publishers.known(container.image)
	}
} else := "; if your own image writes elsewhere on a volume, name that in stategate.io/data-paths"

beside_lost_found := ", and with a subPath (Kafka takes lost+found for a partition)" if {
	input.workload.engine.name == "kafka"
} else := ""

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
way_out := "; if it is only a cache, stategate.io/data-durability: cache" if {
	input.workload.engine.name in {"redis", "elasticsearch", "prometheus", "loki", "tempo", "nats"}
} else := ""

homeless(name) := {dir |
	some dir in data_dirs.unpersisted
	dir.container == name
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
