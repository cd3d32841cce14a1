# METADATA
# title: Scratch volumes of data stores have a size limit
# description: >-
#   An emptyDir without sizeLimit can fill the node's disk, and the kubelet then evicts the data store that wrote it,
#   or its neighbours. One with medium Memory takes the node's RAM if the container has no memory limit. Hardly any
#   emptyDir grows that far, so this policy checks only what a data store's own container can fill: paths for
#   temporary files, sorts, caches and logs, and /tmp for MySQL and MariaDB, which sort there. Volumes for sockets,
#   configuration, certificates and scripts stay small, as do those below /opt/bitnami, whose images log to the console, PostgreSQL's own settings bound what it takes of /dev/shm, and
#   volumes of other containers pass. The kubelet evicts a pod
#   that exceeds its sizeLimit, so leave room. A container with a limit for ephemeral-storage bounds the pod's
#   emptyDirs on disk, and such a pod passes. Volumes that hold the data directory are checked by
#   volume-no-emptydir-data.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/#local-ephemeral-storage
# - ref: https://dev.mysql.com/doc/refman/8.4/en/temporary-files.html
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps]}
#   fix: Set sizeLimit in the emptyDir, well above what the data store needs.
#   why: "when the disk or memory runs out, the data store itself may be evicted or killed"
package stategate.capacity.emptydir_size_limit

import data.stategate.lib.data_dirs
import data.stategate.lib.engines

violation contains v if {
	some volume in input.workload.volumes
	volume.source == "emptyDir"
	not volume.size_limit
	medium := object.get(volume, "medium", "")
	grows(volume.name, medium)
	not holds_data(volume)
	v := {
		"msg": sprintf("emptyDir %s has no sizeLimit: it may fill %s", [volume.name, whose(medium)]),
		"path": volume.path,
		"fix": sprintf(
			"Set emptyDir.sizeLimit in volume %s well above what it needs: beyond it, the pod is evicted",
			[volume.name],
		),
	}
}

# A data store can fill it, and nothing else bounds it.
grows(name, "Memory") if {
	some container in input.workload.containers
	engine := engines.of(container)
	not container.limits.memory
	not input.workload.pods.limits.memory
	some mount in container.mounts
	mount.volume == name
	path := mount.mount_path
	not for_sockets(engine, path)
	not regex.match(small_in_memory, path)
}

# PostgreSQL's settings bound what parallel queries take of shared memory, and nobody fills memory with accounts, keys,
# configuration, sockets and scripts of the first start. The missing memory limit itself is told by resources-requests-required.
small_in_memory := `(?i)^/dev/shm$|^(/var)?/run/postgresql$|(^|[/_.-])(conf|config|etc|acls?|users?|certs?|tls|ssl|secrets?|keys?|sockets?|initdb|scripts?)([/_.-]|$)`

grows(name, "") if {
	some container in input.workload.containers
	engine := engines.of(container)
	some mount in container.mounts
	mount.volume == name
	not mount.read_only
	spills(engine, mount.mount_path)
	not bounded
}

# MySQL sorts there; others have their sockets there, and temporary files beside their data.
for_sockets(engine, path) if {
	path in {"/tmp", "/run", "/var/run"}
	[engine, path] != ["mysql", "/tmp"]
}

# Where it sorts, unless told otherwise.
spills(engine, path) if {
	engine == "mysql"
	path == "/tmp"
}

spills(engine, path) if {
	not for_sockets(engine, path)
	# What their images write there is small or rotated: they log to the console.
	not regex.match(`^/opt/bitnami/(.*(logs?|/tmp/.*)|postgresql/tmp)$`, path)
	regex.match(`(^|[/_.-])(te?mp|scratch|spill|sort|work|caches?|logs?)$`, lower(path))
}

bounded if {
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

whose(medium) := "the node's memory" if {
	medium == "Memory"
} else := "the node's disk, and get its neighbours evicted"
