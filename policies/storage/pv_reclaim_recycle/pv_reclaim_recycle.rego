# METADATA
# title: No volume is recycled
# description: >-
#   With the reclaim policy Recycle, a pod runs `rm -rf` over the volume as soon as its claim is deleted, and the empty
#   volume goes to whoever asks next. Kubernetes does this for nfs and hostPath volumes, has long deprecated it, and
#   asks nobody first. This policy flags PersistentVolumes of these kinds with Recycle, whether they are bound or not,
#   and updates that change a volume to it. On other volumes Recycle erases nothing and passes. A StorageClass cannot
#   have it: the API server refuses such a class.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recycle
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#reclaim-policy
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolume, StorageClass.storage.k8s.io]}
#   patches: fix
#   fix: "Set the reclaim policy to Retain."
#   why: every file on the volume is deleted as soon as its claim is
package stategate.storage.pv_reclaim_recycle

violation contains v if {
	recycled
	v := {
		"msg": sprintf(
			"PersistentVolume %s is wiped (rm -rf) as soon as its claim is deleted: its reclaim policy is Recycle",
			[input.workload.name],
		),
		"path": ["spec", "persistentVolumeReclaimPolicy"],
		"fix": concat("", [
			"Set persistentVolumeReclaimPolicy: Retain; of a volume that exists: kubectl patch pv ",
			sprintf("%s -p '{\"spec\": {\"persistentVolumeReclaimPolicy\": \"Retain\"}}'", [input.workload.name]),
		]),
	}
}

violation contains v if {
	input.workload.storage_class.reclaim_policy == "Recycle"
	v := {
		"msg": sprintf("StorageClass %s has reclaimPolicy Recycle, which the API server refuses", [input.workload.name]),
		"path": ["reclaimPolicy"],
		"fix": "Set reclaimPolicy: Retain",
	}
}

patch contains p if {
	recycled
	p := {"op": "replace", "path": ["spec", "persistentVolumeReclaimPolicy"], "value": "Retain"}
}

recycled if {
	volume := input.workload.persistent_volume
	volume.reclaim_policy == "Recycle"
	volume.source in {"nfs", "hostPath"}
}
