# Which of a data store's directories lie where data outlives the pod.
package stategate.lib.data_dirs

# Sources of volumes that hold nothing past the pod, or nothing that the pod wrote. Of the others some
# last less long than a claim (hostPath): policies of their own speak of those.
fleeting := {"emptyDir", "ephemeral", "gitRepo", "configMap", "secret", "projected", "downwardAPI", "image", ""}

persisted(dir) if {
	source := dir.mount.source
	not source in fleeting
	not dir.mount.read_only
}

# Of the table's guesses one that is persisted is enough: nobody knows which of them the image uses.
# What the workload itself names (annotation, argument, environment) it uses, every one of them, and so it does what the
# image needs beside its data directory (also).
unpersisted contains dir if {
	some dir in input.workload.engine.data_dirs
	not persisted(dir)
	not only_a_guess(dir)
}

guessed(dir) if dir.origin in {"default", "guess"}

only_a_guess(dir) if {
	guessed(dir)
	some other in input.workload.engine.data_dirs
	guessed(other)
	other.container == dir.container
	persisted(other)
}

# What cannot be seen may say that the data is elsewhere: where another volume would keep it, it may be there.
only_a_guess(dir) if {
	dir.origin == "guess"
	some container in input.workload.containers
	container.name == dir.container
	some mount in container.mounts
	persisted({"mount": mount})
}

# Mounts below a data directory that is persisted: each holds a part of the data.
parts contains mount if {
	some dir in input.workload.engine.data_dirs
	persisted(dir)
	some container in input.workload.containers
	container.name == dir.container
	some mount in container.mounts
	startswith(mount.mount_path, concat("", [dir.dir, "/"]))
}

# What keeps the data instead, as the kind allows.
remedy := "an entry of spec.volumeClaimTemplates" if {
	input.workload.kind == "StatefulSet"
} else := "a persistentVolumeClaim (a StatefulSet makes one for each replica)"
