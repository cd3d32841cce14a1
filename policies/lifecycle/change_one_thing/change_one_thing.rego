# METADATA
# title: An update changes one thing at a time
# description: >-
#   If one update brings a new version, a different number of members and different nodes, and the store then fails,
#   nobody knows which change caused it, and a rollback reverts all of them, stopping and starting members once more.
#   For workloads with a known engine, this policy counts changes to the image of the data store, the replicas, where
#   its pods may run, and its volumes and claims. It flags two or more in one update. Resources, variables and probes
#   may change along with any of them. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: Apply each change as an update of its own, and wait until all members are ready in between.
#   why: "if the store then fails, nobody knows which change caused it, and a rollback reverts all of them"
package stategate.lifecycle.change_one_thing

violation contains v if {
	input.workload.engine
	count(changed) > 1
	v := {
		"msg": sprintf(
			"this update of %s changes %s at once",
			[input.workload.name, concat(" and ", sort(changed))],
		),
		"path": ["spec"],
	}
}

changed contains "its image" if images(input.old_workload) != images(input.workload)

changed contains "its replicas" if input.old_workload.replicas != input.workload.replicas

changed contains "where its pods run" if input.old_workload.scheduling != input.workload.scheduling

changed contains "its storage" if storage(input.old_workload) != storage(input.workload)

images(workload) := {[container.name, container.image_name] |
	some container in workload.containers
	container.engine != ""
}

# Ignores ConfigMaps and Secrets, whose names change with their content.
# What lasts, and what holds the data. A volume for temporary files is no storage.
storage(workload) := {[name, source, claim] |
	some volume in workload.volumes
	name := volume.name
	source := volume.source
	keeps(workload, volume)
	claim := object.get(volume, "claim", "")
}

keeps(_, volume) if volume.source in {"volumeClaimTemplate", "persistentVolumeClaim", "hostPath"}

keeps(workload, volume) if {
	volume.source in {"emptyDir", "ephemeral"}
	some dir in workload.engine.data_dirs
	dir.mount.volume == volume.name
}
