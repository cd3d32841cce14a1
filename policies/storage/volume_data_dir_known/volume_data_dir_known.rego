# METADATA
# title: The data directory does not depend on a script's choice
# description: >-
#   A start script can choose the data directory when it runs: behind a condition, by a default such as
#   ${DIR:-/tmp/pg}, or before it hands over to another program. Where it names a directory that no lasting volume
#   holds, the manifest does not show whether the data is kept, so that volume-data-dir-persisted cannot tell. This
#   policy names such a directory, so that a person looks. It passes once the directory is named where nothing chooses
#   (in arguments, in the environment, in the only line that starts the data store) or in the annotation
#   stategate.io/data-paths, and if a volume holds each directory that the script names. What a Secret says, a
#   ConfigMap that is not known or another configuration file is not seen, and not flagged.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]}
#   fix: >-
#     Name the directory in the arguments or the environment, or annotate stategate.io/data-paths: /the/path; or mount
#     a persistent volume at each directory that the script names.
#   why: if the script takes that way, a restart loses all data
package stategate.storage.volume_data_dir_known

import data.stategate.lib.data_dirs

violation contains v if {
	some container in input.workload.containers
	dirs := {dir.dir | some dir in unclear; dir.container == container.name}
	count(dirs) > 0
	where := concat(" or ", dirs)
	v := {
		"msg": sprintf(
			"container %s may keep its data in %s, where no lasting volume holds it: its script decides",
			[container.name, where],
		),
		"path": container.path,
		"fix": sprintf(
			"Name the data directory outside the script, annotate stategate.io/data-paths: /the/path, or mount %s that holds %s",
			[data_dirs.remedy, where],
		),
	}
}

unclear contains dir if {
	some dir in input.workload.engine.data_dirs
	dir.origin == "script"
	not data_dirs.persisted(dir)
	not reported(dir)
}

# Where no other volume could keep the data, policies on the volume itself say more.
reported(dir) if {
	dir in data_dirs.unpersisted
	dir.mount.source in {"emptyDir", "ephemeral"}
	not dir.mount.read_only
}
