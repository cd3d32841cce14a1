# METADATA
# title: Data with one writer is on a claim for one pod
# description: >-
#   ReadWriteOnce lets every pod on one node use the volume: a second pod that lands there, for a test or during a
#   rollout, writes the same files. ReadWriteOncePod limits the volume to one pod in the whole cluster, and the
#   scheduler keeps others away. This policy checks claim templates that hold a data directory and whose class
#   belongs to a driver known to support the mode (drivers); it needs Kubernetes 1.29. A Job that mounts the claim
#   for a backup can then not run beside the pod, so profiles leave this policy off.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/administer-cluster/change-pv-access-mode-readwriteoncepod/
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   inventory: {StorageClass.storage.k8s.io: optional}
#   parameters:
#     drivers:
#       type: list
#       of: string
#       default: ["*rbd.csi.ceph.com", ebs.csi.aws.com, pd.csi.storage.gke.io, disk.csi.azure.com]
#       description: Provisioners (globs) that support ReadWriteOncePod.
#   fix: "Set accessModes: [ReadWriteOncePod] in the claim template."
#   why: two pods that write one data directory at the same time can corrupt it
package stategate.storage.pvc_access_mode_rwop

import data.stategate.lib.claims
import data.stategate.lib.globs

violation contains v if {
	some claim in claims.of_data
	claim.origin == "template"
	"ReadWriteOnce" in claim.access_modes
	class := input.related.claim_classes[claim.name]
	globs.matches_any(input.parameters.drivers, class.provisioner)
	v := {
		"msg": sprintf("claim %s is ReadWriteOnce: a second pod on the same node may write the same files", [claim.name]),
		"path": array.concat(claim.spec_path, ["accessModes"]),
	}
}
