# METADATA
# title: A claim is mounted by a container
# description: >-
#   A StatefulSet whose claim template no container mounts keeps its data somewhere else: in the container, where each
#   restart loses it, while the volume stays empty. It happens when a chart renames a volume or moves a mount, and when
#   only an init container mounts it, to change the owner of files that nobody writes. This policy looks at claim
#   templates that no container but an init container mounts, and at claims that no container mounts at all: an init
#   container may well copy something out of a claim. A claim that is named beside another one that is written to
#   passes, and so does one that another workload mounts; who else mounts a claim may be out of sight.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#volume-claim-templates
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {StatefulSet.apps: bundle, Deployment.apps: bundle, DaemonSet.apps: bundle}
#   fix: >-
#     Mount the claim template at the directory that the container writes to; if it runs, copy that directory out first.
#     Mount a claim where it is needed, or take its volume out.
#   why: what a container writes outside of its volumes is lost when it restarts
package stategate.storage.volume_not_mounted

import data.stategate.lib.data_dirs

violation contains v if {
	not input.workload.owner
	some volume in input.workload.volumes
	name := volume.name
	readers := mounting[volume.source]
	not used(name, readers)
	not filled(name)
	not told_of_its_data(name)
	not used_elsewhere(volume)
	not one_of_several(volume)
	v := {
		"msg": message(volume),
		"path": volume.path,
		"fix": fix(volume),
	}
}

# The policies on volumes tell of the data that was in it.
told_of_its_data(name) if {
	some dir in data_dirs.unpersisted
	not data_dirs.uncertain(dir)
	old := data_dirs.left(dir)
	old.mount.volume == name
}

# Another workload keeps its data there.
used_elsewhere(volume) if {
	volume.source == "persistentVolumeClaim"
	count(mounted_before(volume)) == 0
	some consumer in input.related.consumers
	consumer.claim == volume.claim
}

# The pod keeps what it writes in another claim, and may only name this one, as the base of several overlays does.
one_of_several(volume) if {
	volume.source == "persistentVolumeClaim"
	count(mounted_before(volume)) == 0
	some container in input.workload.containers
	some mount in container.mounts
	mount.source == "persistentVolumeClaim"
	not mount.read_only
}

# Who else mounts a claim with a name of its own may be out of sight.
message(volume) := sprintf(
	"no container mounts the claim template %s%s: nothing is kept in it",
	[volume.claim, any_more(volume)],
) if {
	volume.source == "volumeClaimTemplate"
} else := sprintf("no container mounts claim %s any more: what they wrote there is out of their reach", [volume.claim]) if {
	any_more(volume) != ""
} else := sprintf("volume %s names claim %s, but no container mounts it", [volume.name, volume.claim])

any_more(volume) := " any more" if {
	count(mounted_before(volume)) > 0
} else := ""

# Where it was mounted until this update, it has what was written there.
fix(volume) := sprintf("Mount it at %s again: it has what was written there", [concat(" and ", paths)]) if {
	paths := mounted_before(volume)
	count(paths) > 0
} else := sprintf("Mount it where a container needs it, or take volume %s out: the claim stays", [volume.name]) if {
	volume.source == "persistentVolumeClaim"
} else := concat("; ", [
	"Mount it at the directory that the container writes to",
	"if it runs, copy that directory out first (kubectl cp), since this rollout loses it",
])

mounted_before(volume) := {mount.mount_path |
	some old in input.old_workload.volumes
	old.claim == volume.claim
	old.source == volume.source
	some container in input.old_workload.containers
	some mount in container.mounts
	mount.volume == old.name
	not mount.read_only
}

# What may use a volume. A new claim has nothing that an init container could read.
mounting := {
	"volumeClaimTemplate": {"main", "sidecar"},
	"persistentVolumeClaim": {"main", "sidecar", "init"},
}

# Something else is copied into it first.
filled(volume) if {
	some claim in input.workload.claims
	claim.name == volume
	claim.data_source
}

used(volume, roles) if {
	some container in input.workload.containers
	container.role in roles
	some mount in container.mounts
	mount.volume == volume
}
