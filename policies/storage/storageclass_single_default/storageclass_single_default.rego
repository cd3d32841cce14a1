# METADATA
# title: One storage class is the default
# description: >-
#   If several classes are marked as the default, the newest one wins without notice: new claims that name no class
#   get different disks as soon as someone installs a driver whose chart brings a default class. While the default
#   moves from one class to another there may briefly be two, so this policy only warns. The other classes are those
#   of the cluster as stategate last saw them, or those in the same bundle of files.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#default-storageclass
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-default-storage-class/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StorageClass.storage.k8s.io]}
#   inventory: {StorageClass.storage.k8s.io: bundle}
#   fix: "Set the annotation storageclass.kubernetes.io/is-default-class on all but one to \"false\"."
#   why: new claims can silently get a slower, unencrypted or self-erasing disk
package stategate.storage.storageclass_single_default

annotation := "storageclass.kubernetes.io/is-default-class"

violation contains v if {
	input.workload.storage_class.is_default
	count(others) > 0
	names := concat(", ", others)
	v := {
		"msg": sprintf(
			"StorageClass %s is a default beside %s: the newest wins for claims that name no class",
			[input.workload.name, names],
		),
		"path": ["metadata", "annotations", annotation],
		"fix": sprintf(
			"Set it to \"false\" here; if this one shall be the default: kubectl annotate storageclass %s %s=false --overwrite",
			[concat(" ", others), annotation],
		),
	}
}

others contains name if {
	some name, class in input.related.storage_classes
	class.is_default
	name != input.workload.name
}
