# METADATA
# title: Data is not kept in an emptyDir
# description: >-
#   An emptyDir is deleted whenever its pod leaves the node: at every drain, upgrade, eviction and rescheduling. A data
#   store that writes there loses everything it was trusted with. The same holds for a part of the data: an emptyDir
#   below a persisted data directory, such as a write-ahead log on a faster disk, makes the rest unusable. Directories
#   that a data store needs beside its data directory, such as ZooKeeper's /datalog, are checked, too. The data
#   directory is known from arguments, environment, the annotation stategate.io/data-paths or the table of images; with
#   envFrom or a script that decides, the table's directory is used as long as no other volume could hold the data.
#   Loki, Tempo, Milvus, Vault and Aerospike keep their data where their configuration file says, which may be a bucket:
#   where it is not known, they pass. volume-data-dir-persisted covers a directory without any volume,
#   volume-data-dropped the update that replaces the emptyDir of a running store. A replica of Bitnami's Redis and
#   Valkey copies its data from its primary when it starts, and passes. Declare a cache with
#   stategate.io/data-durability: cache; a Redis whose name says so passes if it has no lasting volume and is not told
#   to keep a log (cache_names; the profile regulated does not go by names). So does one that drops any key when its
#   memory is full (maxmemory with an allkeys policy).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   parameters:
#     scratch_path_globs:
#       type: list
#       of: string
#       default: ["/tmp*", "/run*", "/dev/shm*", "*/tmp", "*/run", "*/cache", "*/log", "*/logs"]
#       description: Paths below a data directory that may be lost.
#     cache_names:
#       type: list
#       of: string
#       default: [cache, "cache-*", "*-cache", "*-cache-*"]
#       description: A Redis of such a name (globs) without a lasting volume is a cache.
#   fix: >-
#     If it runs already, save the data first: the change restarts its pods, and the emptyDir goes with them. Then use a
#     claim instead of the emptyDir, and bring the data back; or, if the data can be rebuilt, annotate
#     stategate.io/data-durability: cache.
#   why: an emptyDir is deleted whenever its pod leaves the node, at every drain, upgrade and eviction
package stategate.storage.volume_no_emptydir_data

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.globs

violation contains v if {
	not a_cache
	some mount in wiped
	data_dirs.tells(mount, wiped)
	some volume in input.workload.volumes
	volume.name == mount.volume
	v := {
		"msg": sprintf(
			"data of container %s at %s is in the emptyDir %s: every rescheduling of the pod wipes it",
			[mount.container, mount.mount_path, mount.volume],
		),
		"path": volume.path,
		"fix": sprintf("%s; or, %s", [way(mount), expendable]),
	}
}

a_cache if data_dirs.called_a_cache(input.workload, input.parameters.cache_names)

# What was on a lasting volume until this update is there still.
way(mount) := ways[0] if {
	ways := [text |
		some dir in input.workload.engine.data_dirs
		dir.mount == mount
		text := data_dirs.keep(dir)
	]
	count(ways) > 0
} else := sprintf(
	"If it runs, save its data first (%s): the change wipes it. Then replace emptyDir %s by %s and %s",
	[dumps.save_of(mount.container), mount.volume, data_dirs.remedy, dumps.back_of(mount.container)],
)

expendable := "if it is only a cache, annotate stategate.io/data-durability: cache"

# The data directory is on an emptyDir …
wiped contains mount if {
	some dir in data_dirs.unpersisted
	dir.mount.source == "emptyDir"
	not dir.mount.read_only
	not data_dirs.copied(dir)
	mount := dir.mount
}

# … or a part of it is.
wiped contains mount if {
	scratch := input.parameters.scratch_path_globs
	some mount in data_dirs.parts
	mount.source == "emptyDir"
	not globs.matches_any(scratch, mount.mount_path)
}
