package stategate.lib.buckets_test

import data.stategate.lib.buckets

class(provisioner) := {"workload": {"storage_class": {"provisioner": provisioner}}}

test_classes_of_buckets if {
	every provisioner in ["rook-ceph.ceph.rook.io/bucket", "ceph.rook.io/bucket", "openshift-storage.noobaa.io/obc"] {
		buckets.made with input as class(provisioner)
	}
}

test_classes_of_volumes if {
	every provisioner in ["rook-ceph.rbd.csi.ceph.com", "ebs.csi.aws.com"] {
		not buckets.made with input as class(provisioner)
	}
}
