# Data that lives in pods, and goes with them when an update replaces them.
package stategate.lib.pod_data

import data.stategate.lib.data_dirs
import data.stategate.lib.members
import data.stategate.lib.named_stores
import data.stategate.lib.publishers

# The old directories that are certainly in the pods. Of the table's alternatives, one that was on a lasting volume is
# the one that the image uses; an image of another maker may write to any volume that it has.
at_stake contains old if {
	input.old_workload.engine.name == input.workload.engine.name
	some old in in_pods
}

# The same of a workload that is deleted.
in_pods contains old if {
	not input.old_workload.engine.evicts
	some old in input.old_workload.engine.data_dirs
	not data_dirs.uncertain(old)
	kept_in(old)
	not kept_before(old)
	not elsewhere(old)
}

kept_in(dir) := dir.mount.source if dir.mount.source in {"emptyDir", "ephemeral"}

kept_in(dir) := "container" if not dir.mount

told := {"emptyDir": "an emptyDir", "ephemeral": "an ephemeral volume", "container": "the file system"}

# Where the data goes with all pods of the workload, as a clause; nothing if it stays on some volume.
places := concat(" and ", where) if {
	where := {told[kept_in(old)] | some old in in_pods; old.origin != "also"}
	count(where) > 0
	object.get(input.old_workload, "replicas", 1) > 0
}

# Each replica alone has its data.
no_copies if object.get(input.old_workload, "replicas", 1) == 1

no_copies if members.separate

# All of the old data goes with the old pods, and no file of it meets the new version. volume-data-lost-in-rollout and
# volume-data-dropped tell of that.
gone if {
	no_copies
	dirs := input.old_workload.engine.data_dirs
	count(dirs) > 0
	every dir in dirs {
		dir in at_stake
	}
}

kept_before(old) if {
	data_dirs.guessed(old)
	old.container in kept_guesses
}

kept_guesses := {dir.container |
	some dir in input.old_workload.engine.data_dirs
	data_dirs.guessed(dir)
	data_dirs.persisted(dir)
}

elsewhere(old) if {
	old.origin in {"default", "also"}
	not old.hidden_by
	some container in input.old_workload.containers
	container.name == old.container
	image := container.image
	not publishers.known(image)
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
}

# It may be no data store at all.
elsewhere(old) if {
	old.origin in {"default", "also"}
	not old.mount
	not old.hidden_by
	some container in input.old_workload.containers
	container.name == old.container
	named_stores.only_named(input.old_workload, container)
}
