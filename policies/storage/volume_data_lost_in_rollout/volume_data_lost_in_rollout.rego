# METADATA
# title: No rollout or deletion loses data in pods unnoticed
# description: >-
#   Any change of the pod template, be it an image, a variable or an annotation, replaces the pods, and with them all
#   that is in an emptyDir, in a generic ephemeral volume, in the file system of a container or in memory. That the data
#   is kept there may be an old finding that nobody looks at any more; that it goes now is news. This policy warns of
#   each such update of a store that runs, once, and of its deletion. It is silent if the update moves the data to a
#   lasting volume (volume-data-dropped), if several replicas may copy the data to the new pods, where a script, a
#   Secret or a configuration file decides where the data is, and while no pod is replaced (updateStrategy OnDelete, a
#   partition, a paused Deployment). Of workloads that run no known store, it tells that another claim, another part of
#   it, or a volume that goes with the pod takes the place of the one that held their files. Files are compared with
#   their previous version (`--old`). Declare a cache with stategate.io/data-durability: cache; the rollout of a Redis
#   whose name says so passes unless it is or was told to keep a log (cache_names; the profile regulated does not go by
#   names).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#update-strategies
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE, DELETE]}
#   ratchet: false
#   parameters:
#     cache_names:
#       type: list
#       of: string
#       default: [cache, "cache-*", "*-cache", "*-cache-*"]
#       description: A Redis of such a name (globs) without a lasting volume is a cache.
#   fix: >-
#     Save the data before you apply this, and bring them back afterwards; better, mount a lasting volume at the data
#     directory in the same update. For a mere cache, annotate stategate.io/data-durability: cache.
#   why: the data lives in the pods, and goes with them
package stategate.storage.volume_data_lost_in_rollout

import data.stategate.lib.data_dirs
import data.stategate.lib.deletion
import data.stategate.lib.dumps
import data.stategate.lib.kept_data
import data.stategate.lib.pod_data

violation contains v if {
	rolled_out
	not a_cache
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
			[saved, back, data_dirs.remedy, "for a mere cache, annotate stategate.io/data-durability: cache"],
		),
	}
}

# What is lost is what the old pods keep.
a_cache if {
	names := input.parameters.cache_names
	data_dirs.called_a_cache(input.old_workload, names)
	data_dirs.called_a_cache(input.workload, names)
}

# By each of its data stores whose data goes.
saved := concat("; ", {dumps.save_of(old.container) | some old in pod_data.at_stake}) if {
	count(pod_data.at_stake) > 0
} else := dumps.save

back := concat("; ", {dumps.back_of(old.container) | some old in pod_data.at_stake}) if {
	count(pod_data.at_stake) > 0
} else := dumps.back

violation contains v if {
	input.review.operation == "DELETE"
	where := pod_data.places
	not deletion.orphans
	v := {
		"msg": sprintf(
			"deleting %s %s loses its data, which is in %s of its pods",
			[input.old_workload.kind, input.old_workload.name, where],
		),
		"path": ["metadata", "name"],
		"key": "deletion",
		"fix": sprintf(
			"Nothing brings it back once the pods are gone. If one still runs, copy its data directory out now (kubectl cp); next time, save the data first (%s)",
			[dumps.with_tool(input.old_workload.engine.name)],
		),
	}
}

# Of other workloads only the claims are known: one that takes another's place may be new.
violation contains v if {
	rolled_out
	not input.workload.engine
	not input.old_workload.engine
	some container in input.workload.containers
	container.role == "main"
	some mount in container.mounts
	not mount.read_only
	not kept_data.passing(container, mount)
	before := places_at[container.name][mount.mount_path]
	now := place(input.workload, mount)
	now != before
	comparable(before, now)
	not contains(concat("", [now, before]), "$")
	v := {
		"msg": sprintf(
			"container %s finds %s at %s instead of %s: %sit starts without its files",
			[container.name, now, mount.mount_path, before, unless_there(now)],
		),
		"path": mount.path,
		"key": sprintf("%s %s", [container.name, mount.mount_path]),
		"fix": fix(before, now),
	}
}

# Nothing takes its place: what is written there from now on goes with the container.
violation contains v if {
	rolled_out
	not input.workload.engine
	not input.old_workload.engine
	some container in input.workload.containers
	container.role == "main"
	some old in input.old_workload.containers
	old.name == container.name
	some mount in old.mounts
	not mount.read_only
	not kept_data.passing(old, mount)
	before := places_at[container.name][mount.mount_path]
	volume := split(before, " with subPath ")[0]
	not volume in {named(one) | some one in input.workload.volumes}
	not mount.mount_path in {one.mount_path | some one in container.mounts}
	v := {
		"msg": sprintf(
			"container %s no longer mounts %s at %s: what it writes there from now on goes with it",
			[container.name, before, mount.mount_path],
		),
		"path": container.path,
		"key": sprintf("%s %s", [container.name, mount.mount_path]),
		"fix": sprintf("Keep %s: it has the files. If they are kept elsewhere now, nothing is to be done", [before]),
	}
}

# A StatefulSet may also name a claim that its template made.
comparable(_, now) if fleeting(now)

comparable(before, now) if {
	not from_template(before)
	not from_template(now)
}

# Of two templates, statefulset-immutable-fields tells.
comparable(before, now) if {
	from_template(now)
	split(before, " with subPath ")[0] == split(now, " with subPath ")[0]
}

from_template(where) if startswith(where, "claim template ")

unless_there(now) := "" if {
	fleeting(now)
} else := "if nothing is there, "

fix(before, now) := sprintf("Keep %s: it has the files", [before]) if {
	fleeting(now)
} else := sprintf("Keep %s; or stop the pods, copy its files there from a pod of its own, and then apply this", [before])

fleeting(now) if split(now, " ")[0] in {"emptyDir", "ephemeral"}

# What a mount shows of which volume.
place(workload, mount) := sprintf("%s%s", [named(found[0]), part_of(mount)]) if {
	found := [volume | some volume in workload.volumes; volume.name == mount.volume]
	count(found) > 0
}

named(volume) := sprintf("claim %s", [volume.claim]) if {
	volume.source == "persistentVolumeClaim"
} else := sprintf("claim template %s", [volume.claim]) if {
	volume.source == "volumeClaimTemplate"
} else := sprintf("hostPath %s", [volume.host_path]) if {
	volume.source == "hostPath"
} else := sprintf("nfs server %s", [volume.nfs_server]) if {
	volume.source == "nfs"
} else := sprintf("%s volume %s", [volume.source, volume.name]) if {
	volume.source in {"emptyDir", "ephemeral"}
}

part_of(mount) := sprintf(" with subPath %s", [mount.sub_path]) if {
	object.get(mount, "sub_path", "") != ""
} else := ""

# From containers and paths to what lasted there.
places_at := {name: places |
	some name in {container.name | some container in input.old_workload.containers}
	containers := [container | some container in input.old_workload.containers; container.name == name]
	mounts := containers[0].mounts
	places := {path: where |
		some path in {mount.mount_path | some mount in mounts}
		first := [mount | some mount in mounts; mount.mount_path == path][0]
		where := place(input.old_workload, first)
		not fleeting(where)
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
