# METADATA
# title: No rollout loses data unnoticed
# description: >-
#   Any change of the pod template, be it an image, a variable or an annotation, replaces the pods, and with them all
#   that is in an emptyDir, in a generic ephemeral volume, in the file system of a container or in memory. That the data
#   is kept there may be an old finding that nobody looks at any more; that it goes now is news. This policy warns of
#   each such update of a store that runs, once. It is silent if the update moves the data to a lasting volume
#   (volume-data-dropped), if several replicas may copy the data to the new pods, where a script, a Secret or a
#   configuration file decides where the data is, and while no pod is replaced (updateStrategy OnDelete, a partition, a
#   paused Deployment). Of workloads that run no known store, it tells that another claim takes the place of the one
#   that held their files. Files are compared with their previous version (`--old`). Declare a cache with
#   stategate.io/data-durability: cache.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#update-strategies
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Save the data before you apply this, and bring them back afterwards; better, mount a lasting volume at the data
#     directory in the same update. For a mere cache, annotate stategate.io/data-durability: cache.
#   why: the data lives in the pods that this update replaces
package stategate.storage.volume_data_lost_in_rollout

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.kept_data
import data.stategate.lib.pod_data

violation contains v if {
	rolled_out
	pod_data.no_copies
	places := {pod_data.told[pod_data.kept_in(old)] | some old in pod_data.at_stake; stays(old)} | memory
	count(places) > 0
	v := {
		"msg": sprintf(
			"this rollout loses the data of %s: it is in %s of the pods that are replaced",
			[input.workload.name, concat(" and ", places)],
		),
		"path": array.concat(input.workload.pods.path, ["spec"]),
		"key": "rollout",
		"fix": sprintf(
			"Save the data now (%s), apply this, and %s; or mount %s at the data directory in the same update; %s",
			[dumps.save, dumps.back, data_dirs.remedy, "for a mere cache, annotate stategate.io/data-durability: cache"],
		),
	}
}

# Of other workloads only the claims are known: one that takes another's place may be new.
violation contains v if {
	rolled_out
	not input.workload.engine
	not input.old_workload.engine
	kept_data.kept
	some container in input.workload.containers
	container.role == "main"
	some mount in container.mounts
	not mount.read_only
	not kept_data.of_no_value(mount)
	claim := claims(input.workload)[mount.volume]
	before := claims_at[container.name][mount.mount_path]
	claim != before
	v := {
		"msg": sprintf(
			"container %s finds claim %s at %s instead of %s: if that claim is new, it starts without its files",
			[container.name, claim, mount.mount_path, before],
		),
		"path": mount.path,
		"key": sprintf("%s %s", [container.name, mount.mount_path]),
		"fix": sprintf(
			"Keep claim %s; or stop the pods, copy its files to %s from a pod of its own, and then apply this",
			[before, claim],
		),
	}
}

# From the names of volumes to those of their claims.
claims(workload) := {volume.name: volume.claim |
	some volume in workload.volumes
	volume.source == "persistentVolumeClaim"
}

# From containers and paths to the claims that were there.
claims_at := {container.name: places |
	some container in input.old_workload.containers
	places := {mount.mount_path: claim |
		some mount in container.mounts
		claim := claims(input.old_workload)[mount.volume]
	}
}

rolled_out if {
	input.review.object.spec.template != input.review.oldObject.spec.template
	object.get(input.old_workload, "replicas", 1) > 0
	object.get(input.workload, "replicas", 1) > 0
	not put_off
}

# Nothing is replaced until somebody does so.
put_off if input.workload.update.type == "OnDelete"

put_off if input.workload.update.partition >= input.workload.replicas

put_off if input.review.object.spec.paused

# No directory of its container moves to a lasting volume.
stays(old) if {
	every new in input.workload.engine.data_dirs {
		not moves(old, new)
	}
}

moves(old, new) if {
	new.container == old.container
	data_dirs.persisted(new)
}

memory := {"the memory"} if {
	input.old_workload.engine.volatile
} else := set()
