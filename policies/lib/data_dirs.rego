# Which of a data store's directories are on storage that outlives the pod.
package stategate.lib.data_dirs

import data.stategate.lib.publishers

# Volume sources whose content does not outlive the pod, or that the pod does not write. Some of the others are less
# durable than a claim (hostPath): separate policies check those.
fleeting := {"emptyDir", "ephemeral", "gitRepo", "configMap", "secret", "projected", "downwardAPI", "image", ""}

persisted(dir) if {
	source := dir.mount.source
	not source in fleeting
	not dir.mount.read_only
}

# Of the directories that engines.yaml guesses, one that is persisted is enough, since it is unknown which of them the
# image uses. Directories that the workload itself names (annotation, argument, environment) are all in use, and so are
# those that the image needs beside its data directory (`also`).
unpersisted contains dir if {
	some dir in input.workload.engine.data_dirs
	not persisted(dir)
	not only_a_guess(dir)
}

guessed(dir) if dir.origin in {"default", "guess", "script"}

# Directories that something decides that the manifest does not show.
uncertain(dir) if dir.origin in {"guess", "script"}

only_a_guess(dir) if {
	guessed(dir)
	dir.container in keeping_a_guess
}

# Configuration that is not visible may put the data elsewhere: where another volume would persist it, it may be there.
only_a_guess(dir) if {
	uncertain(dir)
	dir.container in with_a_lasting_volume
}

only_a_guess(dir) if foreign(dir)

# Of an image that only has a data store's name, the directory is not known: where another volume would persist it, it
# may be there.
foreign(dir) if {
	dir.origin in {"default", "also"}
	dir.container in of_others
	dir.container in with_a_lasting_volume
}

# Where it has no lasting volume, it may as well write to the emptyDir that it has, or keep nothing at all.
foreign(dir) if {
	dir.origin in {"default", "also"}
	dir.container in of_others
	dir.container in on_scratch
	name := dir.container
	not name in with_a_mounted_dir
}

# By name, and once for all directories: a script may name thousands.
keeping_a_guess := {dir.container | some dir in input.workload.engine.data_dirs; guessed(dir); persisted(dir)}

with_a_lasting_volume := {container.name |
	some container in input.workload.containers
	some mount in container.mounts
	persisted({"mount": mount})
}

on_scratch := {container.name |
	some container in input.workload.containers
	some mount in container.mounts
	passing(mount)
}

with_a_mounted_dir := {dir.container | some dir in input.workload.engine.data_dirs; dir.mount}

of_others := {container.name |
	some container in input.workload.containers
	image := container.image
	not publishers.known(image)
}

# Volumes that go with their pod and may hold data, as far as their path tells.
passing(mount) if {
	mount.source in {"emptyDir", "ephemeral"}
	not mount.read_only
	path := mount.mount_path
	not regex.match(scratch, path)
}

scratch := concat("", [
	`(?i)(^|[/_.-])(te?mp|run|dev|shm|logs?|caches?|conf|config|etc|certs?|tls|ssl|secrets?|scripts?|plugins?|bin)`,
	`([/_.-]|$)`,
])

# Its container copies all of it from another when it starts: a replica of Redis, as Bitnami's image is told to be one.
copied(dir) if {
	input.workload.engine.name == "redis"
	not elects
	some container in input.workload.containers
	container.name == dir.container
	contains(container.image.repository, "bitnami")
	some variable in container.env
	variable.name in {"REDIS_REPLICATION_MODE", "VALKEY_REPLICATION_MODE"}
	variable.value in {"slave", "replica"}
}

# Sentinel makes a replica the primary.
elects if {
	some container in input.workload.containers
	some text in array.concat([container.name], array.concat(container.command, container.args))
	contains(lower(text), "sentinel")
}

elects if {
	some container in input.workload.containers
	some variable in container.env
	contains(variable.name, "SENTINEL")
}

# Mounts below a persisted data directory: each holds a part of the data, unless it is named as the place of copies.
parts contains mount if {
	some dir in input.workload.engine.data_dirs
	persisted(dir)
	some container in input.workload.containers
	container.name == dir.container
	some mount in container.mounts
	startswith(mount.mount_path, concat("", [dir.dir, "/"]))
	not for_copies(mount.mount_path)
}

for_copies(path) if regex.match(`(?i)(backups?|dumps?)/?$`, path)

# Of several mounts of one volume, one tells of it.
tells(mount, mounts) if mount == [other | some other in mounts; other.volume == mount.volume][0]

# What to keep the data on instead, as the kind allows.
remedy := "an entry of spec.volumeClaimTemplates" if {
	input.workload.kind == "StatefulSet"
} else := "a persistentVolumeClaim (a StatefulSet makes one for each replica)"
