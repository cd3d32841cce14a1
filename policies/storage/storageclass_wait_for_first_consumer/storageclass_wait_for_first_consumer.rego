# METADATA
# title: Volumes are created where their pods are scheduled
# description: >-
#   With volumeBindingMode Immediate, which is the default, the disk is created as soon as the claim is: in a zone
#   that is picked without knowing where the pod can run. A zonal disk in the wrong zone leaves its pod
#   unschedulable, and the way out is to delete the claim, data included. topology_free lists drivers whose volumes
#   every node reaches; if yours is missing there, or if your cluster has one zone and no local disks, say so with
#   the parameters. Ceph RBD counts as reachable unless the class sets topologyConstrainedPools.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     topology_free:
#       type: list
#       of: string
#       default:
#       - "*rbd.csi.ceph.com"
#       - "*cephfs.csi.ceph.com"
#       - "*nfs.csi.ceph.com"
#       - efs.csi.aws.com
#       - nfs.csi.k8s.io
#       - smb.csi.k8s.io
#       - file.csi.azure.com
#       - filestore.csi.storage.gke.io
#       - kubernetes.io/azure-file
#       - "*nfs-subdir-external-provisioner*"
#       - driver.longhorn.io
#       - pxd.portworx.com
#       - kubernetes.io/portworx-volume
#       description: Provisioners (globs) whose volumes are reachable from every node.
#     single_zone: {type: boolean, default: false, description: All nodes are in one zone and reach the same volumes.}
#   fix: "Set volumeBindingMode: WaitForFirstConsumer; an existing class must be deleted and created again."
#   why: the only way out of the wrong zone is to delete the claim, data included
package stategate.storage.storageclass_wait_for_first_consumer

import data.stategate.lib.globs

violation contains v if {
	class := input.workload.storage_class
	class.volume_binding_mode != "WaitForFirstConsumer"
	not reachable_from_everywhere(class)
	v := {
		"msg": sprintf(
			"StorageClass %s binds a claim to a disk before its pod is scheduled: in the wrong zone the pod can never start",
			[input.workload.name],
		),
		"path": ["volumeBindingMode"],
		"details": {"provisioner": class.provisioner},
	}
}

reachable_from_everywhere(_) if input.parameters.single_zone

reachable_from_everywhere(class) if {
	globs.matches_any(input.parameters.topology_free, class.provisioner)
	not class.parameters.topologyConstrainedPools
}
