package stategate.lib.removed_plugins_test

import data.stategate.lib.removed_plugins

class(provisioner) := {"workload": {"storage_class": {"provisioner": provisioner}}}

test_what_nothing_provisions if {
	removed_plugins.dead_class with input as class("kubernetes.io/glusterfs")
	removed_plugins.dead_class with input as class("ceph.com/rbd")
	removed_plugins.dead_class with input as class("ceph.rook.io/block")
	not removed_plugins.dead_class with input as class("kubernetes.io/aws-ebs")
	not removed_plugins.dead_class with input as class("rbd.csi.ceph.com")
	not removed_plugins.dead_class with input as {"workload": {}}
}
