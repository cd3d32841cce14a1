# METADATA
# title: Durable workloads declare how they are backed up
# description: >-
#   A volume is not a backup: a dropped table, a bad migration or a lost account destroys its data too. A workload that
#   keeps data declares how it is backed up, so that a missing backup is found before it is needed, and reports can list
#   all of them. It is a declaration, not proof: other tools must check that a backup runs and can be restored. Velero's
#   annotation on the pods that names volumes to back up counts; schedules that cover a whole namespace are not visible
#   here and need the annotation. Where no data is kept at all, volume-data-dir-persisted and volume-no-emptydir-data
#   report that and this policy stays silent, because there is nothing to back up yet. Data that can be rebuilt from
#   elsewhere needs no backup: declare it with stategate.io/data-durability: rebuildable, if the profile allows that. A
#   person's time is worth it where someone would miss the data: for data stores, and for workloads that write a claim.
#   Claims for logs, caches, models and downloads and those of web servers, whose files come from elsewhere, do not
#   count, and neither do stores of metrics, logs and traces (exclude_engines), which expire by themselves and are
#   hardly ever restored.
# related_resources:
# - ref: https://velero.io/docs/main/file-system-backup/
# - ref: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     methods:
#       type: list
#       of: string
#       default: [velero, k10, operator, longhorn, volumesnapshot, external, none]
#       description: The backup methods that a workload may name.
#     exclude_engines:
#       type: list
#       of: string
#       default: [prometheus, loki, tempo]
#       description: Data stores whose data expires and needs no backup.
#   fix: >-
#     Annotate stategate.io/backup-method (velero, k10, operator, longhorn, volumesnapshot, external, none); for data
#     that can be rebuilt from elsewhere, stategate.io/data-durability: rebuildable.
#   why: "a dropped table, a bad migration or a lost account takes the volume's data with it"
package stategate.backup.backup_declared

import data.stategate.lib.data_dirs
import data.stategate.lib.kept_data

declared := input.workload.backup.methods

violation contains v if {
	count(declared) == 0
	kept_data.kept
	not telemetry
	not velero_backs_up_volumes
	not nothing_is_kept
	v := {
		"msg": sprintf(
			"%s %s does not say how its data is backed up: nobody knows whether it can be restored",
			[input.workload.kind, input.workload.name],
		),
		"path": ["metadata", "annotations"],
		"key": "stategate.io/backup-method",
		"fix": sprintf(
			"Annotate stategate.io/backup-method with %s (none: with stategate.io/skip-reason); if rebuildable, %s",
			[concat(", ", input.parameters.methods), "stategate.io/data-durability: rebuildable"],
		),
	}
}

violation contains v if {
	some method in declared
	not method in input.parameters.methods
	v := {
		"msg": sprintf("backup method %s is not known, so nothing tells whether there is a backup", [method]),
		"path": ["metadata", "annotations", "stategate.io/backup-method"],
		"key": method,
		"fix": sprintf("Name one of %s in stategate.io/backup-method", [concat(", ", input.parameters.methods)]),
	}
}

violation contains v if {
	"none" in declared
	not reasoned
	v := {
		"msg": sprintf("%s %s has no backup and does not say why", [input.workload.kind, input.workload.name]),
		"path": ["metadata", "annotations", "stategate.io/backup-method"],
		"key": "stategate.io/skip-reason",
		"fix": "Annotate stategate.io/skip-reason with the reason (10 characters or more), or name a method",
	}
}

telemetry if input.workload.engine.name in input.parameters.exclude_engines

velero_backs_up_volumes if trim_space(input.workload.pods.annotations["backup.velero.io/backup-volumes"]) != ""

# Every data directory is lost with its pod, and no other mount of the pod keeps data.
nothing_is_kept if {
	dirs := input.workload.engine.data_dirs
	count(dirs) > 0
	every dir in dirs {
		dir in data_dirs.unpersisted
		not data_dirs.uncertain(dir)
	}
	not keeps_something
}

keeps_something if {
	some container in input.workload.containers
	some mount in object.get(container, "mounts", [])
	data_dirs.persisted({"mount": mount})
}

reasoned if count(trim_space(input.workload.annotations["stategate.io/skip-reason"])) >= 10
