# METADATA
# title: Volumes are created where their pods are scheduled
# description: >-
#   With volumeBindingMode Immediate, which is the default, the disk is created as soon as the claim is: in a zone
#   that is picked without knowing where the pod can run. A zonal disk in the wrong zone leaves its pod
#   unschedulable, and the way out is to delete the claim, data included. This policy checks the drivers in zonal,
#   whose disks belong to a zone or to a node, and Ceph RBD if the class sets topologyConstrainedPools. Of other
#   drivers it is not known whether every node reaches their volumes, and many network storages have no zones, so they
#   pass: add yours to zonal. If every node of your cluster reaches the disks of a listed driver, add it to
#   topology_free; if the cluster has one zone and no local disks, set single_zone. A class that allows one zone only,
#   by allowedTopologies or the parameter zone of the plugins that knew it, cannot pick a wrong one and passes, unless its disks belong to a node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     zonal:
#       type: list
#       of: string
#       default:
#       - "*ebs.csi.aws.com"
#       - "*ebs.csi.eks.amazonaws.com"
#       - kubernetes.io/aws-ebs
#       - pd.csi.storage.gke.io
#       - kubernetes.io/gce-pd
#       - disk.csi.azure.com
#       - kubernetes.io/azure-disk
#       - cinder.csi.openstack.org
#       - kubernetes.io/cinder
#       - csi.hetzner.cloud
#       - blockvolume.csi.oraclecloud.com
#       - diskplugin.csi.alibabacloud.com
#       - vpc.block.csi.ibm.io
#       - csi.scaleway.com
#       - kubernetes.io/no-provisioner
#       - rancher.io/local-path
#       - openebs.io/local
#       - local.csi.openebs.io
#       - zfs.csi.openebs.io
#       - topolvm.io
#       - topolvm.cybozu.com
#       - "*hostpath*"
#       description: Provisioners (globs) whose volumes only the nodes of a zone reach, or only one node.
#     topology_free:
#       type: list
#       of: string
#       default: [docker.io/hostpath, k8s.io/minikube-hostpath]
#       description: Provisioners (globs) among these whose volumes every node of this cluster reaches, or that serve one node only.
#     single_zone: {type: boolean, default: false, description: All nodes are in one zone and reach the same volumes.}
#   fix: "Set volumeBindingMode: WaitForFirstConsumer; an existing class must be deleted and created again."
#   why: a disk in the wrong zone keeps its pod pending, and only a snapshot moves it
package stategate.storage.storageclass_wait_for_first_consumer

import data.stategate.lib.globs

violation contains v if {
	class := input.workload.storage_class
	class.volume_binding_mode != "WaitForFirstConsumer"
	bound_to_a_place(class)
	not input.parameters.single_zone
	not one_zone(class)
	v := {
		"msg": sprintf(
			"StorageClass %s binds a claim to a disk before its pod is scheduled: in the wrong zone the pod can never start",
			[input.workload.name],
		),
		"path": ["volumeBindingMode"],
		"details": {"provisioner": class.provisioner},
	}
}

bound_to_a_place(class) if {
	globs.matches_any(input.parameters.zonal, class.provisioner)
	free := input.parameters.topology_free
	provisioner := class.provisioner
	not globs.matches_any(free, provisioner)
}

bound_to_a_place(class) if class.parameters.topologyConstrainedPools

one_zone(class) if {
	count(zones(class)) == 1
	provisioner := class.provisioner
	not globs.matches_any(of_a_node, provisioner)
}

zones(class) := {zone} if {
	class.provisioner in {"kubernetes.io/aws-ebs", "kubernetes.io/gce-pd"}
	zone := class.parameters.zone
} else := {zone |
	every term in class.allowed_topologies {
		of_a_zone(class, term.key)
	}
	some term in class.allowed_topologies
	some zone in term.values
}

of_a_zone(_, key) if key in zone_keys

# Kubernetes translates the old key for its own former drivers only.
of_a_zone(class, "failure-domain.beta.kubernetes.io/zone") if startswith(class.provisioner, "kubernetes.io/")

# As Kubernetes and the drivers of these disks know them.
zone_keys := {
	"topology.cinder.csi.openstack.org/zone", "topology.disk.csi.azure.com/zone",
	"topology.diskplugin.csi.alibabacloud.com/zone", "topology.ebs.csi.aws.com/zone", "topology.gke.io/zone",
	"topology.kubernetes.io/zone",
}

# Their disks belong to a node, not only to a zone.
of_a_node := ["kubernetes.io/no-provisioner", "rancher.io/*", "*openebs.io*", "topolvm.*", "*hostpath*"]
