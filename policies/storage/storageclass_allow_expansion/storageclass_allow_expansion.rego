# METADATA
# title: Volumes can grow
# description: >-
#   A full disk stops its data store. If the class allows expansion, one edit of the claim makes room; if not, the
#   data must move to a larger volume in the middle of an outage. The field can be changed on an existing class and
#   then applies to its existing claims as well. no_expansion lists drivers whose volumes have no size of their own
#   or cannot grow; buckets have none either, what a plugin that is gone served, nothing serves any more, and of a class
#   that provisions nothing, such as kubernetes.io/no-provisioner, nobody resizes the volumes. Hyperdisk ML with the flag
#   set to false passes: such a disk is filled once and then read by many.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#allow-volume-expansion
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StorageClass.storage.k8s.io]}
#   patches: fix
#   parameters:
#     no_expansion:
#       type: list
#       of: string
#       default:
#       - rancher.io/local-path
#       - openebs.io/local
#       - efs.csi.aws.com
#       - nfs.csi.k8s.io
#       - smb.csi.k8s.io
#       - "*hostpath*"
#       - "*nfs-subdir-external-provisioner*"
#       - "*nfs-provisioner*"
#       - "*nfs-server-provisioner*"
#       - "*nfs-client*"
#       - "*/nfs"
#       - "fuseim.pri/*"
#       - "*local-pv*"
#       - stork-snapshot
#       description: Provisioners (globs) whose volumes cannot grow or have no size of their own.
#   fix: "Set allowVolumeExpansion: true."
#   why: a full disk stops its data store; with expansion, one edit of the claim makes room
package stategate.storage.storageclass_allow_expansion

import data.stategate.lib.buckets
import data.stategate.lib.globs
import data.stategate.lib.no_provisioner
import data.stategate.lib.removed_plugins

violation contains v if {
	cannot_grow
	v := {
		"msg": sprintf(
			"StorageClass %s does not let its volumes grow: a full disk means moving the data",
			[input.workload.name],
		),
		"path": ["allowVolumeExpansion"],
		"fix": fix,
	}
}

patch contains p if {
	cannot_grow
	p := {"op": "add", "path": ["allowVolumeExpansion"], "value": true}
}

cannot_grow if {
	class := input.workload.storage_class
	not class.allow_volume_expansion
	not buckets.made
	not removed_plugins.dead_class
	not no_provisioner.provisions_nothing(class)
	not read_by_many
	no_expansion := input.parameters.no_expansion
	provisioner := class.provisioner
	not globs.matches_any(no_expansion, provisioner)
}

read_by_many if {
	input.workload.storage_class.parameters.type == "hyperdisk-ml"
	input.review.object.allowVolumeExpansion == false
}

fix := sprintf("kubectl patch storageclass %s -p '{\"allowVolumeExpansion\": true}'", [input.workload.name]) if {
	input.review.operation == "UPDATE"
} else := "Set allowVolumeExpansion: true"
