package stategate.storage.volume_no_intree_plugins_test

import data.stategate.storage.volume_no_intree_plugins as policy

pod_volume(source) := {"workload": {
	"kind": "StatefulSet",
	"name": "pg",
	"volumes": [{"name": "data", "source": source, "path": ["spec", "template", "spec", "volumes", 0]}],
}}

persistent_volume(source) := {"workload": {
	"kind": "PersistentVolume",
	"name": "pv1",
	"volumes": [],
	"persistent_volume": {"source": source},
}}

class(provisioner) := {"workload": {
	"kind": "StorageClass",
	"name": "fast",
	"volumes": [],
	"storage_class": {"provisioner": provisioner},
}}

found(document) := violations if violations := policy.violation with input as document

test_what_is_not_gone_passes if {
	every source in ["volumeClaimTemplate", "persistentVolumeClaim", "emptyDir", "nfs", "csi", "hostPath"] {
		found(pod_volume(source)) == set()
	}
	found(persistent_volume("csi")) == set()
	found(persistent_volume("local")) == set()
	found(class("ebs.csi.aws.com")) == set()
	found(class("kubernetes.io/no-provisioner")) == set()
}

test_volume_of_a_pod_fails if {
	some v in found(pod_volume("awsElasticBlockStore"))
	contains(v.msg, "volume data uses awsElasticBlockStore")
	contains(v.msg, "only works where ebs.csi.aws.com stands in")
	v.path == ["spec", "template", "spec", "volumes", 0]
	contains(v.fix, "put a persistentVolumeClaim")
}

test_persistent_volume_fails if {
	some v in found(persistent_volume("gcePersistentDisk"))
	v.path == ["spec", "gcePersistentDisk"]
	contains(v.fix, "pd.csi.storage.gke.io: make a new volume")
}

test_class_fails if {
	some v in found(class("kubernetes.io/aws-ebs"))
	contains(v.msg, "StorageClass fast uses kubernetes.io/aws-ebs")
	v.path == ["provisioner"]
}

test_what_nothing_mounts_any_more if {
	some v in found(persistent_volume("glusterfs"))
	contains(v.msg, "nothing mounts its volumes any more")
	contains(v.fix, "other storage")
	some u in found(class("ceph.rook.io/block"))
	contains(u.msg, "gone from Rook 1.8")
	some w in found(class("kubernetes.io/rbd"))
	contains(w.fix, "the driver rbd.csi.ceph.com: make a new class")
}

test_zones_of_a_class_are_written_anew if {
	every more in [
		{"parameters": {"zone": "eu-west-1a"}},
		{"allowed_topologies": [{"key": "failure-domain.beta.kubernetes.io/zone", "values": ["eu-west-1a"]}]},
	] {
		some v in found(object.union(class("kubernetes.io/aws-ebs"), {"workload": {"storage_class": more}}))
		endswith(v.fix, "; write its zones as allowedTopologies with the key topology.ebs.csi.aws.com/zone")
	}
	some w in found(class("kubernetes.io/aws-ebs"))
	not contains(w.fix, "zones")
}

test_zones_that_a_driver_refuses_fail if {
	some v in found(with_parameter("ebs.csi.aws.com", "zone"))
	v.msg == "StorageClass fast gives ebs.csi.aws.com the parameter zone, which it refuses: no claim gets a volume"
	contains(v.fix, "the key topology.ebs.csi.aws.com/zone")
	count(found(with_parameter("pd.csi.storage.gke.io", "zones"))) == 1
	found(with_parameter("ebs.csi.aws.com", "type")) == set()
}

with_parameter(provisioner, name) := object.union(
	class(provisioner),
	{"workload": {"storage_class": {"parameters": {name: "a"}}}},
)
