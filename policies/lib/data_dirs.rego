# Which of a data store's directories are on storage that outlives the pod.
package stategate.lib.data_dirs

import data.stategate.lib.globs
import data.stategate.lib.image_users
import data.stategate.lib.named_stores
import data.stategate.lib.node_names
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

# The file that is not visible may name another system altogether.
only_a_guess(dir) if {
	dir.origin == "guess"
	dir.container in storing_elsewhere
}

only_a_guess(dir) if foreign(dir)

# Data stores that keep their data wherever their configuration file says, mostly in a bucket or in another data store:
# `stores_elsewhere` in engines.yaml.
storing_elsewhere := {container.name |
	some container in input.workload.containers
	container.engine in {"aerospike", "loki", "milvus", "tempo", "vault"}
}

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

# In the official image, that is a link to /var/lib/cassandra, over which the runtime lays the image's VOLUME: which of
# them holds the data depends on the runtime.
foreign(dir) if {
	startswith(dir.dir, "/var/lib/cassandra/")
	some container in input.workload.containers
	container.name == dir.container
	some mount in container.mounts
	mount.mount_path == "/opt/cassandra/data"
	persisted({"mount": mount})
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
	not in_the_table(image)
}

# With its own directory, whatever its tags count.
in_the_table(image) if publishers.named(image) == "google-samples/cassandra"

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

# A Redis whose name (globs) says that it is a cache, and that nothing else shows to be more than that …
called_a_cache(workload, names) if {
	workload.engine.name == "redis"
	name := workload.name
	globs.matches_any(names, name)
	count([mount | some container in workload.containers; some mount in container.mounts; persisted({"mount": mount})]) == 0
	every container in workload.containers {
		container.engine in {"", "redis"}
		not told_to_log(container)
	}
}

# … or whose own settings tell it to drop any key when its memory is full: nobody counts on what it holds, unless it is
# told to save that, or had a lasting volume for it until now.
called_a_cache(workload, _) if {
	workload.engine.evicts
	every container in workload.containers {
		name := container.name
		not told_to_log(container)
		not told_to_save(container)
		not kept_until_now(name)
	}
}

# One of these engines, of which many are caches or keep what nobody misses, in a container (by its name) that has never
# had a lasting volume and is not told to keep a log.
often_a_cache(name, engines) if {
	some container in input.workload.containers
	container.name == name
	container.engine in engines
	not told_to_log(container)
	not name in with_a_lasting_volume
	not kept_until_now(name)
}

kept_until_now(name) if count(left_in[name]) > 0

# By its command line, a variable that goes to it, or a file.
told_to_log(container) if {
	text := concat(" ", array.concat(
		array.concat(container.command, container.args),
		[variable.value | some variable in object.get(container, "env", []); variable.value],
	))
	contains(lower(text), "appendonly")
	regex.match(`(?i)appendonly["']?[\s=]+["']?yes`, text)
}

told_to_log(container) if {
	some file in container.files
	contains(lower(file.text), "appendonly")
	regex.match(`(?mi)^[^#\n]*appendonly["']?[ \t=]+["']?yes`, file.text)
}

told_to_save(container) if {
	text := concat(" ", array.concat(container.command, container.args))
	contains(text, "save")
	regex.match(`(^|\s)--save[\s=]+["']?[0-9]`, text)
}

told_to_save(container) if {
	some file in container.files
	contains(lower(file.text), "save")
	regex.match(`(?mi)^[ \t]*save[ \t]+["']?[0-9]`, file.text)
}

# Bitnami's switch. What is out of sight may hold it, or the flags that the images of redis-stack and Valkey add.
told_to_log(container) if {
	some variable in container.env
	regex.match(`^(REDIS|VALKEY)_(AOF_ENABLED|ARGS|EXTRA_FLAGS)$`, variable.name)
	switched_on(variable)
}

told_to_log(container) if {
	container.engine == "redis"
	container.env_from
}

switched_on(variable) if not variable.value

switched_on(variable) if {
	endswith(variable.name, "AOF_ENABLED")
	lower(variable.value) in {"yes", "true", "1"}
}

# Its container copies all of it from another when it starts: a replica of Redis, as Bitnami's image is told to be one.
copied(dir) if {
	input.workload.engine.name == "redis"
	not elects
	some container in input.workload.containers
	container.name == dir.container
	contains(container.image.repository, "bitnami")
	reads_variables(container)
	some variable in container.env
	variable.name in {"REDIS_REPLICATION_MODE", "VALKEY_REPLICATION_MODE"}
	variable.value in {"slave", "replica"}
}

# The image's own entry point does, and so does the script of the chart.
reads_variables(container) if {
	count(container.command) == 0
	not starts_a_server(container)
}

reads_variables(container) if {
	some text in array.concat(container.command, container.args)
	contains(text, "/start-replica.sh")
}

starts_a_server(container) if {
	some text in container.args
	regex.match(`(redis|valkey)-server`, text)
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
remedy := sprintf("%s%s%s", [kept_on, with_group, in_brackets])

with_group := sprintf(" with fsGroup: %d in the pod's securityContext", [image_users.group]) if {
	image_users.group
} else := ""

in_brackets := sprintf(" (%s)", [concat("; ", remarks)]) if {
	count(remarks) > 0
} else := ""

remarks := array.concat(
	["else its user cannot write there" | image_users.group],
	["if the StatefulSet exists, delete it first with --cascade=orphan" | input.workload.kind == "StatefulSet"],
)

kept_on := "an entry of spec.volumeClaimTemplates" if {
	input.workload.kind == "StatefulSet"
} else := node_names.remedy if {
	node_names.remedy
} else := "a persistentVolumeClaim (a StatefulSet makes one for each replica)"

# The directory is that of other images. That no volume holds the data is known all the same: the container has none.
of_another_make(container, dirs) if {
	image := container.image
	not publishers.versioned(image)
	every dir in dirs {
		dir.origin in {"default", "also"}
		not dir.mount
		not dir.hidden_by
		not left(dir)
	}
	every mount in container.mounts {
		not persisted({"mount": mount})
	}
}

# What is no data store need not keep any data.
by_name_alone(container, dirs) if {
	of_another_make(container, dirs)
	named_stores.only_named(input.workload, container)
}

# The old directory in whose place one of the new workload is, if it was on storage that lasts. The data stays there.
left(dir) := [old | some old in left_in[dir.container]; old.dir == dir.dir][0] if {
	dir.dir in {old.dir | some old in left_in[dir.container]}
} else := [old |
	some old in left_in[dir.container]
	kept := kept_in[dir.container]
	path := old.dir
	not path in kept
	is_also(old) == is_also(dir)
][0]

is_also(dir) := dir.origin == "also"

left_in := {name: dirs |
	input.old_workload.engine.name == input.workload.engine.name
	some container in input.old_workload.containers
	name := container.name
	dirs := [old |
		some old in input.old_workload.engine.data_dirs
		old.container == name
		persisted(old)
		not uncertain(old)
	]
}

kept_in := {name: dirs |
	some container in input.workload.containers
	name := container.name
	dirs := {dir.dir | some dir in input.workload.engine.data_dirs; dir.container == name; persisted(dir)}
}

# How the data stays the store's data, if a directory leaves the volume that it was on.
keep(dir) := sprintf("Mount %s at %s%s again: the data is in it", [told(old.mount), old.mount.mount_path, part_of(old.mount)]) if {
	old := left(dir)
	not mounted_still(old)
} else := sprintf("Keep the data directory at %s: the data is there, on volume %s", [old.dir, old.mount.volume]) if {
	old := left(dir)
	[old.origin, dir.origin] != ["default", "default"]
} else := sprintf(
	"Keep the image until the data is migrated: it is at %s, and the new one looks at %s. With the new image, %s",
	[old.dir, dir.dir, new_place(old, dir)],
) if {
	old := left(dir)
	input.workload.engine.major > input.old_workload.engine.major
} else := sprintf("Keep the image: the data is at %s, where the new one does not look; %s", [old.dir, instead]) if {
	old := left(dir)
	instead := "to go on, save it with the old image, and load it into a new workload with volumes of its own"
}

# The image of PostgreSQL 18 refuses a volume at the directory of older versions.
new_place(old, dir) := sprintf("mount volume %s at /var/lib/postgresql instead of %s", [old.mount.volume, old.mount.mount_path]) if {
	regex.match(`^/var/lib/postgresql/[0-9]+/docker$`, dir.dir)
	old.mount.mount_path == "/var/lib/postgresql/data"
} else := "mount a volume with the migrated data there"

mounted_still(old) if {
	some container in input.workload.containers
	container.name == old.container
	some mount in container.mounts
	every field in ["volume", "mount_path", "sub_path", "source", "read_only"] {
		object.get(mount, field, "") == object.get(old.mount, field, "")
	}
}

told(mount) := sprintf("claim %s", [claim]) if {
	mount.source == "persistentVolumeClaim"
	some volume in input.old_workload.volumes
	volume.name == mount.volume
	claim := volume.claim
} else := sprintf("the claim template %s", [mount.volume]) if {
	mount.source == "volumeClaimTemplate"
} else := sprintf("volume %s", [mount.volume])

# Only subPathExpr expands variables.
part_of(mount) := "" if {
	object.get(mount, "sub_path", "") == ""
} else := sprintf(" with subPathExpr: %s", [mount.sub_path]) if {
	contains(mount.sub_path, "$(")
} else := sprintf(" with subPath: %s", [mount.sub_path])
