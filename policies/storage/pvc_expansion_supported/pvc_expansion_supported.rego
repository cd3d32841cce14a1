# METADATA
# title: Claims grow only if their class allows expansion
# description: >-
#   A claim can grow only if its class sets allowVolumeExpansion: true. Otherwise the API server refuses the change,
#   usually when the disk is full and time is short; comparing files with their previous version (`--old`) finds it
#   earlier. The field can be set on an existing class if the driver can expand volumes. A claim whose class is not
#   known is not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
# custom:
#   severity: medium
#   action: deny
#   match: {kinds: [PersistentVolumeClaim], operations: [UPDATE]}
#   ratchet: false
#   inventory: {StorageClass.storage.k8s.io: cluster}
#   fix: "Set allowVolumeExpansion: true on the class, if its driver can expand volumes."
#   why: the API server refuses the larger size, so a full disk stays full
package stategate.storage.pvc_expansion_supported

violation contains v if {
	some claim in input.workload.claims
	some old in input.old_workload.claims
	claim.size > old.size
	class := input.related.claim_classes[claim.name]
	not class.allow_volume_expansion
	v := {
		"msg": sprintf(
			"claim %s grows from %s to %s, but its class %s does not let volumes grow",
			[claim.name, old.size_text, claim.size_text, class.name],
		),
		"path": array.concat(claim.spec_path, ["resources", "requests", "storage"]),
		"fix": sprintf(
			"If the driver can: kubectl patch storageclass %s -p '{\"allowVolumeExpansion\": true}'; else copy the data to a larger claim",
			[class.name],
		),
	}
}
