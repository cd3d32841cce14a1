# METADATA
# title: The real data directory is on a volume
# description: >-
#   A data store that writes beside its volume works until its container restarts: then everything is gone. It happens
#   with a volume mounted at a path that the image does not use, a PGDATA outside of the volume, or the official
#   postgres image from 18 on, which writes below /var/lib/postgresql/18 and no longer below /var/lib/postgresql/data.
#   The directory is known from arguments, environment or the table of images; for an image of your own that writes
#   elsewhere, say where with the annotation stategate.io/data-paths. If a Secret, a ConfigMap or a script decides,
#   nothing is said. What a data store needs beside its data directory is judged like it: ZooKeeper's transactions
#   (/datalog), a write-ahead log on a disk of its own. A volume that is mounted read-only keeps nothing either.
#   A volume mounted above a path that the image declares as VOLUME holds nothing of it either: containerd lays an empty
#   volume over that path, which goes with the container (CRI-O does so only if told to).
#   A read-only ConfigMap or Secret that is mounted there keeps no data. An emptyDir there is the fault that
#   volume-no-emptydir-data speaks of, a generic ephemeral volume that of volume-no-ephemeral-claim-data, a hostPath
#   that of volume-no-hostpath-data. Two things are not seen: an inline csi volume that ends with its pod, and a
#   VOLUME that the image declares below your mount (postgres before 18: /var/lib/postgresql/data) and that hides it.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#pgdata
#   description: The data directory of the official postgres image, before and from 18 on.
# - ref: https://github.com/docker-library/postgres/issues/1400
#   description: Data that was lost by the old mount.
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, Pod]}
#   fix: >-
#     Mount a persistent volume that holds the data directory; if the image writes elsewhere, annotate
#     stategate.io/data-paths: /the/path; what is only a cache, stategate.io/data-durability: cache.
package stategate.storage.volume_data_dir_persisted

import data.stategate.lib.data_dirs

violation contains v if {
	some container in input.workload.containers
	dirs := homeless(container.name)
	count(dirs) > 0
	where := concat(" and ", places(dirs))
	v := {
		"msg": sprintf("container %s keeps its data in %s, where %s", [container.name, where, consequence(dirs)]),
		"path": container.path,
		"fix": fix(where, {dir.hidden_by | some dir in dirs}),
		"details": {"mounts": [mount.mount_path | some mount in container.mounts]},
	}
}

consequence(dirs) := "every volume is mounted read-only: nothing that it writes is kept" if {
	every dir in dirs {
		dir.mount.read_only
	}
} else := "no volume holds it: a restart loses all of it"

# The table's guesses are one place, wherever it is; every other directory is one of its own.
places(dirs) := {dir.dir | some dir in dirs; not data_dirs.guessed(dir)} | {guess |
	guesses := {dir.dir | some dir in dirs; data_dirs.guessed(dir)}
	count(guesses) > 0
	guess := concat(" or ", guesses)
}

fix(where, hiding) := sprintf(
	"Mount %s that holds %s; if the image writes elsewhere, annotate stategate.io/data-paths: /the/path%s",
	[data_dirs.remedy, where, way_out],
) if {
	count(hiding) == 0
} else := sprintf(
	"Mount the volume at %s, not above: the image declares a VOLUME there, which hides what is mounted above it",
	[concat(" and at ", hiding)],
)

# Where a cache is a common use of the engine.
way_out := "; if it is only a cache, stategate.io/data-durability: cache" if {
	input.workload.engine.name in {"redis", "elasticsearch", "prometheus", "loki", "tempo", "nats"}
} else := ""

homeless(name) := {dir |
	some dir in data_dirs.unpersisted
	dir.container == name
	dir.origin != "guess"
	not on_scratch(dir)
	not guess_on_scratch(dir)
}

on_scratch(dir) if {
	dir.mount.source in {"emptyDir", "ephemeral"}
	not dir.mount.read_only
}

# If one of the table's guesses is on scratch space, that is the fault, and another policy's.
guess_on_scratch(dir) if {
	dir.origin == "default"
	some other in data_dirs.unpersisted
	data_dirs.guessed(other)
	other.container == dir.container
	on_scratch(other)
}
