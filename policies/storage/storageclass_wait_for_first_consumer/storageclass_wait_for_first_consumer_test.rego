package stategate.storage.storageclass_wait_for_first_consumer_test

import data.stategate.storage.storageclass_wait_for_first_consumer as policy

request(provisioner, mode, parameters) := {
	"workload": {
		"kind": "StorageClass",
		"name": "fast",
		"storage_class": {"provisioner": provisioner, "volume_binding_mode": mode, "parameters": parameters},
	},
	"parameters": {
		"zonal": ["ebs.csi.aws.com", "kubernetes.io/aws-ebs", "csi.hetzner.cloud", "kubernetes.io/no-provisioner"],
		"topology_free": [],
		"single_zone": false,
	},
}

found(document) := violations if violations := policy.violation with input as document

test_waiting_class_passes if found(request("ebs.csi.aws.com", "WaitForFirstConsumer", {})) == set()

test_zonal_disk_made_at_once_fails if {
	some v in found(request("ebs.csi.aws.com", "Immediate", {}))
	contains(v.msg, "StorageClass fast")
	v.path == ["volumeBindingMode"]
}

test_local_disk_made_at_once_fails if {
	some v in found(request("kubernetes.io/no-provisioner", "Immediate", {}))
	contains(v.msg, "if that is a disk of a node, the pod can never start on another one")
	endswith(v.fix, "if every node reaches its volumes (NFS), except this class by a PolicyException instead")
}

by_hand(provisioner, volumes) := object.union(request(provisioner, "Immediate", {}), {"related": {"pvs": [one |
	some volume in volumes
	one := object.union({"storage_class": "fast"}, volume)
]}})

test_class_of_network_file_systems_passes if {
	nfs := {"source": "nfs"}
	found(by_hand("kubernetes.io/no-provisioner", [nfs, {"source": "csi", "driver": "rook-ceph.cephfs.csi.ceph.com"}])) == set()
	count(found(by_hand("kubernetes.io/no-provisioner", [nfs, {"source": "local"}]))) == 1
	count(found(by_hand("kubernetes.io/no-provisioner", []))) == 1
	count(found(by_hand("kubernetes.io/no-provisioner", [{"source": "nfs", "storage_class": "other"}]))) == 1
	count(found(by_hand("ebs.csi.aws.com", [nfs]))) == 1
}

test_drivers_that_have_no_zones_or_are_not_known_pass if {
	every provisioner in ["efs.csi.aws.com", "csi.san.synology.com", "rook-ceph.ceph.rook.io/bucket"] {
		found(request(provisioner, "Immediate", {})) == set()
	}
}

test_driver_may_be_free_of_zones_here if {
	document := object.union(
		request("ebs.csi.aws.com", "Immediate", {}),
		{"parameters": {"topology_free": ["ebs.*"]}},
	)
	found(document) == set()
}

test_ceph_of_rook_passes if found(request("rook-ceph.rbd.csi.ceph.com", "Immediate", {"pool": "replicapool"})) == set()

test_ceph_with_pools_for_zones_fails if {
	count(found(request("rbd.csi.ceph.com", "Immediate", {"topologyConstrainedPools": "[]"}))) == 1
}

test_single_zone_passes if {
	policy.violation == set() with input as object.union(
		request("ebs.csi.aws.com", "Immediate", {}),
		{"parameters": {"single_zone": true}},
	)
}

in_zones(provisioner, zones) := of_keys(provisioner, {"topology.kubernetes.io/zone": zones})

of_keys(provisioner, topologies) := object.union(
	request(provisioner, "Immediate", {}),
	{"workload": {"storage_class": {"allowed_topologies": [{"key": key, "values": values} |
		some key, values in topologies
	]}}},
)

test_keys_that_the_driver_does_not_know_name_no_zone if {
	old := {"failure-domain.beta.kubernetes.io/zone": ["a"]}
	found(of_keys("kubernetes.io/aws-ebs", old)) == set()
	count(found(of_keys("ebs.csi.aws.com", old))) == 1
	both := {"topology.kubernetes.io/zone": ["a"], "example.com/rack": ["b"]}
	count(found(of_keys("ebs.csi.aws.com", both))) == 1
}

test_class_of_one_zone_has_no_wrong_one if {
	found(in_zones("ebs.csi.aws.com", ["a"])) == set()
	found(request("kubernetes.io/aws-ebs", "Immediate", {"zone": "a"})) == set()
	count(found(request("csi.hetzner.cloud", "Immediate", {"zone": "a"}))) == 1
	count(found(in_zones("ebs.csi.aws.com", ["a", "b"]))) == 1
	count(found(in_zones("kubernetes.io/no-provisioner", ["a"]))) == 1
}

with_old_key(provisioner, mode) := object.union(request(provisioner, mode, {}), {"workload": {"storage_class": {
	"allowed_topologies": [{"key": "failure-domain.beta.kubernetes.io/zone", "values": ["a", "b"]}],
}}})

test_a_key_that_no_node_has_any_more_keeps_pods_pending if {
	some v in found(with_old_key("ebs.csi.aws.com", "WaitForFirstConsumer"))
	contains(v.msg, "StorageClass fast writes its zones with the key failure-domain.beta.kubernetes.io/zone, which its driver does not know")
	v.path == ["allowedTopologies", 0]
	startswith(v.fix, "Write the key topology.ebs.csi.aws.com/zone")
	some now in found(with_old_key("ebs.csi.aws.com", "Immediate"))
	startswith(now.fix, "Write the key topology.ebs.csi.aws.com/zone for failure-domain.beta.kubernetes.io/zone")
	contains(now.fix, "Set volumeBindingMode: WaitForFirstConsumer")
	found(with_old_key("kubernetes.io/aws-ebs", "WaitForFirstConsumer")) == set()
}
