# METADATA
# title: Durable workloads say how they are backed up
# description: >-
#   A volume is no backup: a dropped table, a bad migration or a lost account takes it along. A workload that keeps data
#   says how it is backed up, so that one that is not is found before it is needed, and reports can list all of them.
#   It is a declaration, not a proof: that a backup runs and can be restored is for others to check. Velero's own
#   annotation of volumes on the pods counts; schedules that cover a whole namespace are not seen here and need the
#   annotation.
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
#       description: The methods that a workload may name.
#   fix: "Annotate stategate.io/backup-method (velero, k10, operator, longhorn, volumesnapshot, external, none)."
package stategate.backup.backup_declared

declared := input.workload.backup.methods

violation contains v if {
	count(declared) == 0
	not velero_backs_up_volumes
	v := {
		"msg": sprintf(
			"%s %s does not say how its data is backed up: nobody knows whether it can be restored",
			[input.workload.kind, input.workload.name],
		),
		"path": ["metadata", "annotations"],
		"key": "stategate.io/backup-method",
		"fix": sprintf(
			"Add the annotation stategate.io/backup-method with one of: %s; none needs stategate.io/skip-reason as well",
			[concat(", ", input.parameters.methods)],
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

velero_backs_up_volumes if trim_space(input.workload.pods.annotations["backup.velero.io/backup-volumes"]) != ""

reasoned if count(trim_space(input.workload.annotations["stategate.io/skip-reason"])) >= 10
