# METADATA
# title: Volumes use CSI drivers
# description: >-
#   The volume plugins that were part of Kubernetes are gone. Some are redirected to a CSI driver, which must be
#   installed and often cannot do for them what it does for its own volumes (snapshots, other disk types, newer
#   parameters); the others cannot be mounted at all, so that the pod waits forever after the next upgrade or
#   restart, and neither can volumes of Rook's Flex driver. This policy checks volumes of pods, PersistentVolumes and the
#   provisioners of classes. What Kubernetes itself still supports (hostPath, local, nfs, iscsi, fc, and classes with
#   kubernetes.io/no-provisioner) passes. An
#   existing PersistentVolume cannot be changed: move its data when it suits. A class that was turned over to a driver
#   and still has the plugin's parameters zone or zones is flagged, too: the drivers for EBS and for disks of Google Cloud
#   refuse them, so that no claim gets a volume.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#volume-types
# - ref: https://github.com/kubernetes/enhancements/tree/master/keps/sig-storage/625-csi-migration
# - ref: https://rook.io/docs/rook/v1.7/flex-to-csi-migration.html
# custom:
#   severity: medium
#   action: warn
#   match:
#     kinds:
#     - StorageClass.storage.k8s.io
#     - PersistentVolume
#     - StatefulSet.apps
#     - Deployment.apps
#     - DaemonSet.apps
#     - ReplicaSet.apps
#     - ReplicationController
#     - Pod
#     - Job.batch
#     - CronJob.batch
#     classes: [durable, cache, batch]
#   fix: Use the CSI driver for that storage.
#   why: a volume that no CSI driver serves cannot be mounted, so its pod never starts
package stategate.storage.volume_no_intree_plugins

import data.stategate.lib.removed_plugins

# Redirected to a CSI driver: from volume source or provisioner to the driver.
drivers := {
	"awsElasticBlockStore": "ebs.csi.aws.com",
	"kubernetes.io/aws-ebs": "ebs.csi.aws.com",
	"azureDisk": "disk.csi.azure.com",
	"kubernetes.io/azure-disk": "disk.csi.azure.com",
	"azureFile": "file.csi.azure.com",
	"kubernetes.io/azure-file": "file.csi.azure.com",
	"cinder": "cinder.csi.openstack.org",
	"kubernetes.io/cinder": "cinder.csi.openstack.org",
	"gcePersistentDisk": "pd.csi.storage.gke.io",
	"kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
	"portworxVolume": "pxd.portworx.com",
	"kubernetes.io/portworx-volume": "pxd.portworx.com",
	"vsphereVolume": "csi.vsphere.vmware.com",
	"kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}

violation contains v if {
	some use in uses
	driver := drivers[use.plugin]
	v := {
		"msg": sprintf("%s uses %s, which is gone from Kubernetes: it only works where %s stands in for it", [use.what, use.plugin, driver]),
		"path": use.path,
		"fix": sprintf("Use the driver %s: %s", [driver, use.how]),
	}
}

violation contains v if {
	some use in uses
	instead := removed_plugins.instead[use.plugin]
	v := {
		"msg": sprintf("%s uses %s, whose plugin is gone from %s: nothing mounts its volumes any more", [use.what, use.plugin, former(use.plugin)]),
		"path": use.path,
		"fix": sprintf("Move the data to %s: %s", [instead, use.how]),
	}
}

former(plugin) := "Rook 1.8" if {
	endswith(plugin, "rook.io/block")
} else := "Kubernetes"

# Of the plugin's parameters, these are left over most often.
violation contains v if {
	class := input.workload.storage_class
	key := refusing[class.provisioner]
	some name in ["zone", "zones"]
	class.parameters[name]
	v := {
		"msg": sprintf(
			"StorageClass %s gives %s the parameter %s, which it refuses: no claim gets a volume",
			[input.workload.name, class.provisioner, name],
		),
		"path": ["parameters", name],
		"fix": sprintf(
			"Write it as allowedTopologies with the key %s; a class that exists is deleted and created again",
			[key],
		),
	}
}

refusing := {
	"ebs.csi.aws.com": zone_keys["kubernetes.io/aws-ebs"],
	"pd.csi.storage.gke.io": zone_keys["kubernetes.io/gce-pd"],
}

uses contains use if {
	some volume in input.workload.volumes
	use := {
		"what": sprintf("volume %s", [volume.name]),
		"plugin": volume.source,
		"path": volume.path,
		"how": "put a persistentVolumeClaim into the volume's place, bound to a volume of that disk (a new one is empty)",
	}
}

uses contains use if {
	plugin := input.workload.persistent_volume.source
	use := {
		"what": sprintf("PersistentVolume %s", [input.workload.name]),
		"plugin": plugin,
		"path": ["spec", plugin],
		"how": "make a new volume with it and copy the data",
	}
}

uses contains use if {
	use := {
		"what": sprintf("StorageClass %s", [input.workload.name]),
		"plugin": input.workload.storage_class.provisioner,
		"path": ["provisioner"],
		"how": concat("", ["make a new class with it for new claims", zones_of_class]),
	}
}

# What the plugins understood and the drivers refuse or do not find.
zones_of_class := sprintf("; write its zones as allowedTopologies with the key %s", [key]) if {
	names_zones
	key := zone_keys[input.workload.storage_class.provisioner]
} else := ""

names_zones if {
	some name in ["zone", "zones"]
	input.workload.storage_class.parameters[name]
}

names_zones if {
	some term in input.workload.storage_class.allowed_topologies
	startswith(term.key, "failure-domain.beta.kubernetes.io/")
}

zone_keys := {
	"kubernetes.io/aws-ebs": "topology.ebs.csi.aws.com/zone",
	"kubernetes.io/azure-disk": "topology.disk.csi.azure.com/zone",
	"kubernetes.io/cinder": "topology.cinder.csi.openstack.org/zone",
	"kubernetes.io/gce-pd": "topology.gke.io/zone",
}
