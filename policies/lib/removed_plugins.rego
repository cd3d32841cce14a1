# Volume plugins that were part of Kubernetes or Rook and were removed, without a driver that takes over existing volumes.
package stategate.lib.removed_plugins

# From volume source or provisioner to what to move the data to.
instead := {
	"cephfs": "the driver cephfs.csi.ceph.com",
	"rbd": "the driver rbd.csi.ceph.com",
	"kubernetes.io/rbd": "the driver rbd.csi.ceph.com",
	"ceph.com/cephfs": "the driver cephfs.csi.ceph.com", # makes volumes of the plugin
	"ceph.com/rbd": "the driver rbd.csi.ceph.com",
	# Rook 1.8 removed its Flex driver: https://rook.io/docs/rook/v1.7/flex-to-csi-migration.html
	"ceph.rook.io/block": "Rook's driver (NAMESPACE.rbd.csi.ceph.com)",
	"rook.io/block": "Rook's driver (NAMESPACE.rbd.csi.ceph.com)",
	"glusterfs": "other storage",
	"kubernetes.io/glusterfs": "other storage",
	"flocker": "other storage",
	"photonPersistentDisk": "other storage",
	"quobyte": "other storage",
	"kubernetes.io/quobyte": "other storage",
	"scaleIO": "other storage",
	"kubernetes.io/scaleio": "other storage",
	"storageos": "other storage",
	"kubernetes.io/storageos": "other storage",
}

# Nothing provisions the class under review any more, so that its other settings have no effect.
dead_class if instead[input.workload.storage_class.provisioner]
