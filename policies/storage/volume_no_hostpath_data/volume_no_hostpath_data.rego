# METADATA
# title: Data is not kept in a directory of the node
# description: >-
#   A hostPath is a directory of whichever node the pod runs on. A pod that moves finds an empty directory, or one with
#   the files of an older pod, and starts on them without notice; nothing accounts for the space, and nothing deletes
#   it. This policy checks data directories (known from arguments, environment, the annotation stategate.io/data-paths
#   or the table of images) and what is mounted below them. If those are not known, it checks every node directory that
#   is written to by a workload without any other storage that outlasts its pods. A Deployment that writes to a node
#   directory is taken for one that keeps data there, unless the directory belongs to the node itself (/var/log, /run,
#   /dev, …); Pods and DaemonSets of unknown images are not: annotate them stategate.io/stateful: "true". What agents
#   and drivers use on a node (harmless_host_paths, the directories of the container runtime, whatever is mounted with
#   mountPropagation Bidirectional or beside the sidecars of a CSI driver) is not data, nor is anything mounted
#   read-only, what the name of a mount calls logs, a cache or the like, what a client such as psql only loads, or the
#   pages and the code that a web server (nginx, httpd) has there. For node disks use a local PersistentVolume: the
#   scheduler brings the pod back to it; volume-local-replication-declared covers what else such disks need. Declare a
#   cache with stategate.io/data-durability: cache.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#hostpath
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#local
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   parameters:
#     allowed_host_paths:
#       type: list
#       of: string
#       default: []
#       description: Node directories that hold data on purpose.
#     harmless_host_paths:
#       type: list
#       of: string
#       default: [/dev, /etc, /lib/modules, /proc, /run, /sys, /usr, /var/lib/kubelet, /var/log, /var/run]
#       description: Node directories that do not count as data if a workload's data directory is not known.
#     scratch_path_globs:
#       type: list
#       of: string
#       default: ["*/tmp", "*/run", "*/cache", "*/log", "*/logs"]
#       description: Paths below a data directory that may be lost.
#   fix: >-
#     If it runs already, save the data with its own tools or copy the stopped store's files first: a new claim is
#     empty. Then use a claim instead of the hostPath; or, if the data can be rebuilt, annotate
#     stategate.io/data-durability: cache.
#   why: the files belong to one node and go with it; nothing tracks their space or cleans them up
package stategate.storage.volume_no_hostpath_data

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.globs
import data.stategate.lib.kept_data

violation contains v if {
	some mount in on_the_node
	data_dirs.tells(mount, on_the_node)
	some volume in input.workload.volumes
	volume.name == mount.volume
	allowed := input.parameters.allowed_host_paths
	host_path := volume.host_path
	not below_any(allowed, host_path)
	v := {
		"msg": sprintf(
			"data of container %s at %s is in %s of the node: %s",
			[mount.container, mount.mount_path, host_path, consequence(volume)],
		),
		"path": volume.path,
		"fix": sprintf(
			"If it runs, save its data first (%s): a new claim is empty. Then replace hostPath %s by %s; %s",
			[saved(mount), mount.volume, instead, "disks of the node are used through local PersistentVolumes"],
		),
	}
}

saved(mount) := dumps.save_of(mount.container) if {
	input.workload.engine
} else := "copy the files while it is stopped"

# The pods of a DaemonSet do not move, nor do those that one node only may run; a directory that must be there is not made.
consequence(volume) := "a node that goes takes it along, and no quota counts it" if {
	input.workload.kind == "DaemonSet"
} else := sprintf("when node %s goes, so does it, and no quota counts it", [nodes[0]]) if {
	nodes := input.workload.scheduling.hostnames
	count(nodes) == 1
} else := "a pod that moves does not start, or starts with other files" if {
	volume.host_path_type == "Directory"
} else := "a pod that moves starts without it, or with old files"

# All pods of a DaemonSet would share one claim.
instead := "claims: make it a StatefulSet with spec.volumeClaimTemplates" if {
	input.workload.kind == "DaemonSet"
} else := data_dirs.remedy

# The data directory is on the node …
on_the_node contains mount if {
	some dir in input.workload.engine.data_dirs
	mount := dir.mount
	mount.source == "hostPath"
	not mount.read_only
	not another_guess_is_kept(dir)
}

# … or a part of it …
on_the_node contains mount if {
	scratch := input.parameters.scratch_path_globs
	some mount in data_dirs.parts
	mount.source == "hostPath"
	not mount.read_only
	not globs.matches_any(scratch, mount.mount_path)
}

# … or the node directory is the only storage that is known.
on_the_node contains mount if {
	not data_dirs_known
	not agent
	not has_other_storage
	some mount in writable
	mount.source == "hostPath"
	not kept_data.of_no_value(mount)
	not kept_data.of_the_node(mount)
	not only_read(mount)
	some volume in input.workload.volumes
	volume.name == mount.volume
	harmless := input.parameters.harmless_host_paths
	host_path := volume.host_path
	not below_any(harmless, host_path)
}

only_read(mount) if {
	some container in input.workload.containers
	container.name == mount.container
	kept_data.only_read(container, mount)
}

# Pages and source code, which come from elsewhere.
only_read(mount) if {
	some container in input.workload.containers
	container.name == mount.container
	kept_data.serves_files(container)
}

# What an image that is not known keeps on each node is its own affair, such as the disks of an object store.
agent if {
	input.workload.kind == "DaemonSet"
	not input.workload.engine
	object.get(input.workload, ["annotations", "stategate.io/stateful"], "") != "true"
}

# If one of the table's guesses is persisted elsewhere, that is the one the image uses.
another_guess_is_kept(dir) if {
	data_dirs.guessed(dir)
	some other in input.workload.engine.data_dirs
	data_dirs.guessed(other)
	other.container == dir.container
	data_dirs.persisted(other)
	other.mount.source != "hostPath"
}

data_dirs_known if {
	some dir in input.workload.engine.data_dirs
	not named_in_vain(dir)
}

# A script names it, and nothing is mounted there: the data may as well be elsewhere.
named_in_vain(dir) if {
	dir.origin == "script"
	not dir.mount
}

has_other_storage if {
	some mount in writable
	source := mount.source
	not source in data_dirs.fleeting
	source != "hostPath"
}

writable contains mount if {
	some container in input.workload.containers
	container.role != "init"
	some mount in container.mounts
	not mount.read_only
}

below_any(dirs, path) if {
	some dir in dirs
	startswith(concat("", [path, "/"]), concat("", [dir, "/"]))
}
