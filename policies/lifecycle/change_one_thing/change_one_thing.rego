# METADATA
# title: An update changes one thing at a time
# description: >-
#   When a new version, another number of members and other nodes come in one update and the store then fails, nobody
#   knows which it was, and rolling back takes all of it back, with members starting and stopping once more.
#   Counted are, of a workload with a known engine: the image of the data store, the replicas, where its pods may run,
#   and its volumes and claims. Two or more at once are found. Resources, variables and probes may change with any.
#   Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: Make one update of each change, and wait until all members are ready in between.
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

images(workload) := {name: image |
	some container in workload.containers
	container.engine != ""
	name := container.name
	image := container.image_name
}

# Not ConfigMaps and Secrets, whose names change with their content.
storage(workload) := {[name, source, claim] |
	some volume in workload.volumes
	name := volume.name
	source := volume.source
	source in {"volumeClaimTemplate", "persistentVolumeClaim", "emptyDir", "hostPath", "ephemeral"}
	claim := object.get(volume, "claim", "")
}
