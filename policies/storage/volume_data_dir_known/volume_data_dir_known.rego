# METADATA
# title: The data directory is known
# description: >-
#   A start script can choose the data directory when it runs: behind a condition, by a default such as
#   ${DIR:-/tmp/pg}, or before it hands over to another program. Where it names a directory that no lasting volume
#   holds, the manifest does not show whether the data is kept, so that volume-data-dir-persisted cannot tell. This
#   policy names such a directory, so that a person looks. It passes once the directory is named where nothing chooses
#   (in arguments, in the environment, in the only line that starts the data store) or in the annotation
#   stategate.io/data-paths, and if a volume holds each directory that the script names. What a Secret says, a
#   ConfigMap that is not known or another configuration file is not seen, and not flagged. An image that has a data
#   store's name but is neither its publisher's nor a known packager's may keep its data elsewhere: where it has a
#   volume, but none at the publisher's directory, or none at one that the publisher's image also writes to, this policy
#   says so. /opt/cassandra/data is a link to the data in the official image of Cassandra: what a volume there holds
#   depends on the runtime. Of an image without any volume whose name alone is that of a data store, this policy says
#   so, too: without a port, variable, command or version of it, it may be anybody's service. In the profile baseline, it also tells of Redis and Prometheus without any volume
#   (often_caches), where the others refuse them.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   parameters:
#     often_caches:
#       type: list
#       of: string
#       default: []
#       description: Data stores without any volume of which this policy tells instead of volume-data-dir-persisted.
#   fix: >-
#     Look where it writes. If no volume holds that, save the data first, then mount one there. If one does, name the
#     directory in the arguments or in stategate.io/data-paths.
#   why: outside of a lasting volume, a restart loses all data
package stategate.storage.volume_data_dir_known

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps

violation contains v if {
	some container in input.workload.containers
	dirs := {dir.dir | some dir in unclear; dir.container == container.name}
	count(dirs) > 0
	where := concat(" or ", dirs)
	v := {
		"msg": sprintf(
			"container %s may keep its data in %s, where no lasting volume holds it: its script decides",
			[container.name, where],
		),
		"path": container.path,
		"fix": sprintf(
			"Look where it writes (df DIR in the container). If it is %s, %s; then mount %s there, and %s",
			[where, "save it first, since any restart loses it", data_dirs.remedy, dumps.back_of(container.name)],
		),
	}
}

violation contains v if {
	some container in input.workload.containers
	found := {dir |
		some dir in input.workload.engine.data_dirs
		dir.container == container.name
		elsewhere(dir)
	}
	count(found) > 0
	dirs := {dir.dir | some dir in found}
	mounts := {mount.mount_path | some mount in container.mounts; data_dirs.persisted({"mount": mount})}
	count(mounts) > 0
	v := {
		"msg": sprintf(
			"container %s has a volume at %s, while images of %s mostly %s %s: look where this one does",
			[container.name, concat(", ", mounts), container.engine, verb(found), concat(" or ", dirs)],
		),
		"path": container.path,
		"fix": sprintf(
			"Look where it writes (df DIR in the container). Only if that is the volume, name it in stategate.io/data-paths; %s",
			["if not, save the data before you mount the volume there: any restart loses it"],
		),
	}
}

# Nothing but the image's name says that it is a data store.
violation contains v if {
	some container in input.workload.containers
	name := container.name
	dirs := {dir | some dir in data_dirs.unpersisted; dir.container == name; not data_dirs.uncertain(dir)}
	count(dirs) > 0
	data_dirs.by_name_alone(container, dirs)
	often_caches := input.parameters.often_caches
	not data_dirs.often_a_cache(name, often_caches)
	not data_dirs.called_a_cache(input.workload, ["cache", "cache-*", "*-cache", "*-cache-*"])
	v := {
		"msg": sprintf(
			"image %s is called like %s, and container %s has no volume: if it keeps data, a restart loses all of it",
			[container.image_name, container.engine, name],
		),
		"path": container.path,
		"fix": sprintf(
			"Look where it writes (df DIR in the container). If it is %s or keeps other data, %s; then mount %s there, and %s",
			[container.engine, "save it first", data_dirs.remedy, "bring the data back"],
		),
	}
}

# What many run as a cache has no volume at all.
violation contains v if {
	some container in input.workload.containers
	name := container.name
	data_dirs.often_a_cache(name, input.parameters.often_caches)
	not data_dirs.called_a_cache(input.workload, ["cache", "cache-*", "*-cache", "*-cache-*"])
	dirs := {dir.dir | some dir in data_dirs.unpersisted; dir.container == name; not dir.mount; not data_dirs.uncertain(dir)}
	count(dirs) > 0
	v := {
		"msg": sprintf("container %s has no volume for %s: unless it is a cache, a restart loses its data", [name, concat(" or ", dirs)]),
		"path": container.path,
		"fix": sprintf("If it is a cache, annotate stategate.io/data-durability: cache. If not, %s; then mount %s there, and %s", [
			sprintf("save its data first (%s)", [dumps.save_of(name)]), data_dirs.remedy, dumps.back_of(name),
		]),
	}
}

# … or it has nothing but volumes that go with the pod.
violation contains v if {
	some container in input.workload.containers
	some dir in input.workload.engine.data_dirs
	dir.container == container.name
	elsewhere(dir)
	mounts := {mount.mount_path | some mount in container.mounts; data_dirs.passing(mount)}
	every mount in container.mounts {
		not data_dirs.persisted({"mount": mount})
	}
	v := {
		"msg": sprintf(
			"container %s has only an emptyDir or the like at %s: if it keeps data there, every new pod starts without it",
			[container.name, concat(", ", mounts)],
		),
		"path": container.path,
		"fix": sprintf(
			"Look where it writes (df DIR in the container). If it keeps data, %s; then mount %s there. If it is a cache, %s",
			[sprintf("save it first (%s)", [dumps.save_of(container.name)]), data_dirs.remedy, "annotate stategate.io/data-durability: cache"],
		),
	}
}

elsewhere(dir) if {
	data_dirs.foreign(dir)
	not data_dirs.persisted(dir)
	not reported(dir)
	not enough(dir)
}

verb(dirs) := "also write to" if {
	every dir in dirs {
		dir.origin == "also"
	}
} else := "keep their data in"

# One of the table's guesses is enough.
enough(dir) if {
	dir.origin == "default"
	dir.container in storing
}

storing := {dir.container | some dir in input.workload.engine.data_dirs; data_dirs.persisted(dir)}

unclear contains dir if {
	some dir in input.workload.engine.data_dirs
	dir.origin == "script"
	not data_dirs.persisted(dir)
	not reported(dir)
}

# Where no other volume could keep the data, policies on the volume itself say more.
reported(dir) if {
	dir in data_dirs.unpersisted
	dir.mount.source in {"emptyDir", "ephemeral"}
	not dir.mount.read_only
}
