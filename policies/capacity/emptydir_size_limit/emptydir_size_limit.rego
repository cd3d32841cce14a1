# METADATA
# title: Scratch volumes have a size limit
# description: >-
#   An emptyDir without sizeLimit can fill the node's disk, and the kubelet then evicts the data store that wrote it,
#   or its neighbours. One with medium Memory takes RAM from the container's own limit, or from the node if there is
#   no limit. A container with a limit for ephemeral-storage bounds the pod's emptyDirs on disk, and such a pod
#   passes. Volumes that hold the data directory are checked by volume-no-emptydir-data.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps]}
#   fix: Set sizeLimit in the emptyDir.
#   why: "when the disk or memory runs out, the data store itself may be evicted or killed"
package stategate.capacity.emptydir_size_limit

import data.stategate.lib.data_dirs

violation contains v if {
	some volume in input.workload.volumes
	volume.source == "emptyDir"
	not volume.size_limit
	medium := object.get(volume, "medium", "")
	not bounded(medium)
	not holds_data(volume)
	v := {
		"msg": sprintf("emptyDir %s has no sizeLimit: it may fill %s", [volume.name, whose(medium)]),
		"path": volume.path,
		"fix": sprintf("Set emptyDir.sizeLimit in volume %s to what it needs at most", [volume.name]),
	}
}

bounded(medium) if {
	medium != "Memory"
	some container in input.workload.containers
	container.limits.ephemeral_storage
}

holds_data(volume) if {
	some dir in data_dirs.unpersisted
	dir.mount.volume == volume.name
}

# A part of the data: volume-no-emptydir-data reports it, unless its name shows that it may be lost.
holds_data(volume) if {
	some mount in data_dirs.parts
	mount.volume == volume.name
	names := split(mount.mount_path, "/")
	name := names[count(names) - 1]
	not name in {"tmp", "run", "cache", "log", "logs"}
}

whose(medium) := "the container's memory, or the node's" if {
	medium == "Memory"
} else := "the node's disk, and get its neighbours evicted"
