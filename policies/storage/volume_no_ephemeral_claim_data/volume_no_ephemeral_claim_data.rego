# METADATA
# title: Data is not kept in a generic ephemeral volume
# description: >-
#   A generic ephemeral volume (volumes[].ephemeral) looks like a claim but is deleted with its pod, because the
#   claim created for it belongs to the pod. Every drain, upgrade, eviction and rescheduling creates a new, empty
#   one. It is meant for scratch space that is too large for the node. This policy checks data directories (known
#   from arguments, environment, the annotation stategate.io/data-paths or the table of images) and what is mounted
#   below them, such as a write-ahead log. Scratch paths pass, as do caches, which declare
#   stategate.io/data-durability: cache.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   parameters:
#     scratch_path_globs:
#       type: list
#       of: string
#       default: ["/tmp*", "/run*", "*/tmp", "*/run", "*/cache", "*/log", "*/logs"]
#       description: Paths below a data directory that may be lost.
#   fix: >-
#     If it runs already, save the data first: the change restarts its pods, and the volume is deleted with them. Then
#     use a claim that outlives the pod, and bring the data back; or, if the data can be rebuilt, annotate
#     stategate.io/data-durability: cache.
#   why: after every drain, upgrade and eviction the pod starts on a new, empty volume
package stategate.storage.volume_no_ephemeral_claim_data

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.globs

violation contains v if {
	some mount in lost
	data_dirs.tells(mount, lost)
	some volume in input.workload.volumes
	volume.name == mount.volume
	v := {
		"msg": sprintf(
			"data of container %s at %s is in the ephemeral volume %s: its claim is deleted with the pod",
			[mount.container, mount.mount_path, mount.volume],
		),
		"path": volume.path,
		"fix": sprintf("%s; or, %s", [way(mount), expendable]),
	}
}

# What was on a lasting volume until this update is there still.
way(mount) := ways[0] if {
	ways := [text |
		some dir in input.workload.engine.data_dirs
		dir.mount == mount
		text := data_dirs.keep(dir)
	]
	count(ways) > 0
} else := sprintf(
	"If it runs, save its data first (%s): the change deletes it. Then replace volume %s by %s and %s",
	[dumps.save_of(mount.container), mount.volume, data_dirs.remedy, dumps.back_of(mount.container)],
)

expendable := "if it is only a cache, annotate stategate.io/data-durability: cache"

# The data directory is lost with the pod …
lost contains mount if {
	some dir in data_dirs.unpersisted
	mount := dir.mount
	mount.source == "ephemeral"
}

# … or a part of it is.
lost contains mount if {
	scratch := input.parameters.scratch_path_globs
	some mount in data_dirs.parts
	mount.source == "ephemeral"
	not globs.matches_any(scratch, mount.mount_path)
}
