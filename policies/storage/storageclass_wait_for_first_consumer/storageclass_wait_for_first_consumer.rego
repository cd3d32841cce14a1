# METADATA
# title: Volumes are created where their pods are scheduled
# description: >-
#   With volumeBindingMode Immediate, which is the default, the disk is created as soon as the claim is: in a zone that
#   is picked without knowing where the pod can run. A zonal disk in the wrong zone leaves its pod unschedulable, and
#   the way out is to delete the claim, data included. This policy checks the drivers in zonal, whose disks belong to a
#   zone or to a node, and Ceph RBD if the class sets topologyConstrainedPools. Of other drivers it is not known whether
#   every node reaches their volumes, and many network storages have no zones, so they pass: add yours to zonal. If
#   every node of your cluster reaches the disks of a listed driver, add it to topology_free. Volumes of a class without
#   a provisioner are made by hand: if those that are known are all network file systems, it passes; if none is known,
#   except such a class by a PolicyException, for kubernetes.io/no-provisioner in topology_free would pass local disks,
#   too. If the cluster has one zone and no local disks, set single_zone. A class that allows one zone only, by
#   allowedTopologies or the parameter zone of the plugins that knew it, cannot pick a wrong one and passes, unless its
#   disks belong to a node.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   inventory: {PersistentVolume: optional}
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
import data.stategate.lib.no_provisioner

violation contains v if {
	class := input.workload.storage_class
	class.volume_binding_mode != "WaitForFirstConsumer"
	bound_to_a_place(class)
	not input.parameters.single_zone
	not one_zone(class)
	not on_the_network(class)
	v := {
		"msg": sprintf(
			"StorageClass %s binds a claim to a disk before its pod is scheduled: %s",
			[input.workload.name, consequence(class)],
		),
		"path": ["volumeBindingMode"],
		"fix": concat("", [
			first(class),
			"Set volumeBindingMode: WaitForFirstConsumer; an existing class must be deleted and created again",
			unless_shared(class),
		]),
		"details": {"provisioner": class.provisioner},
	}
}

# Its volumes are made by hand, and may not be known.
consequence(class) := "if that is a disk of a node, the pod can never start on another one" if {
	by_hand(class)
} else := "in the wrong zone the pod can never start"

unless_shared(class) := "; if every node reaches its volumes (NFS), except this class by a PolicyException instead" if {
	by_hand(class)
} else := ""

# All of its volumes that are known are network file systems, which every node reaches.
on_the_network(class) if {
	by_hand(class)
	own := [volume | some volume in input.related.pvs; volume.storage_class == input.workload.name]
	count(own) > 0
	every volume in own {
		network_file_system(volume)
	}
}

network_file_system(volume) if volume.source in {"azureFile", "cephfs", "glusterfs", "nfs"}

network_file_system(volume) if {
	drivers := ["*cephfs*", "*nfs*", "*smb*", "efs.csi.aws.com", "file.csi.azure.com", "filestore.csi.storage.gke.io"]
	globs.matches_any(drivers, volume.driver)
}

by_hand(class) if no_provisioner.provisions_nothing(class)

# With Immediate, its driver makes disks all the same.
violation contains v if {
	class := input.workload.storage_class
	class.volume_binding_mode == "WaitForFirstConsumer"
	key := keys[class.provisioner]
	at := [i | some i, term in class.allowed_topologies; term.key == old_key][0]
	v := {
		"msg": sprintf(
			"StorageClass %s writes its zones with the key %s, which its driver does not know: its pods stay pending",
			[input.workload.name, old_key],
		),
		"path": ["allowedTopologies", at],
		"fix": sprintf("Write the key %s; an existing class must be deleted and created again", [key]),
	}
}

first(class) := sprintf("Write the key %s for %s, which the driver does not know. ", [key, old_key]) if {
	key := keys[class.provisioner]
	some term in class.allowed_topologies
	term.key == old_key
} else := ""

old_key := "failure-domain.beta.kubernetes.io/zone"

keys := {
	"cinder.csi.openstack.org": "topology.cinder.csi.openstack.org/zone",
	"disk.csi.azure.com": "topology.disk.csi.azure.com/zone",
	"diskplugin.csi.alibabacloud.com": "topology.diskplugin.csi.alibabacloud.com/zone",
	"ebs.csi.aws.com": "topology.ebs.csi.aws.com/zone",
	"pd.csi.storage.gke.io": "topology.gke.io/zone",
}

# Kubernetes translates it for its own former drivers only.
reads_the_old_key(class) if startswith(class.provisioner, "kubernetes.io/")

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

of_a_zone(class, key) if {
	key == old_key
	reads_the_old_key(class)
}

# As Kubernetes and the drivers of these disks know them.
zone_keys := {"topology.kubernetes.io/zone"} | {key | some key in keys}

# Their disks belong to a node, not only to a zone.
of_a_node := ["kubernetes.io/no-provisioner", "rancher.io/*", "*openebs.io*", "topolvm.*", "*hostpath*"]
