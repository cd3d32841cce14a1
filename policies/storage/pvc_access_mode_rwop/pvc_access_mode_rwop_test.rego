package stategate.storage.pvc_access_mode_rwop_test

import data.stategate.storage.pvc_access_mode_rwop as policy

request(mode, provisioner) := {
	"workload": {
		"kind": "StatefulSet",
		"engine": {
			"name": "postgres",
			"data_dirs": [{"dir": "/data", "container": "db", "mount": {"volume": "data", "source": "volumeClaimTemplate"}}],
		},
		"containers": [{"name": "db", "mounts": [{"volume": "data", "mount_path": "/data"}]}],
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data"}],
		"claims": [{"name": "data", "origin": "template", "access_modes": [mode], "spec_path": ["spec"]}],
	},
	"related": {"claim_classes": {"data": {"name": "fast", "provisioner": provisioner}}},
	"parameters": {"drivers": ["*rbd.csi.ceph.com"]},
}

found(document) := violations if violations := policy.violation with input as document

test_one_pod_passes if found(request("ReadWriteOncePod", "rbd.csi.ceph.com")) == set()

test_one_node_fails if {
	some v in found(request("ReadWriteOnce", "rook-ceph.rbd.csi.ceph.com"))
	contains(v.msg, "claim data is ReadWriteOnce")
	v.path == ["spec", "accessModes"]
}

test_other_drivers_are_not_judged if found(request("ReadWriteOnce", "topolvm.io")) == set()

test_claims_for_many_are_the_fault_of_another_policy if found(request("ReadWriteMany", "rbd.csi.ceph.com")) == set()

test_claims_without_data_are_not_judged if {
	document := request("ReadWriteOnce", "rbd.csi.ceph.com")
	found(object.union(document, {"workload": {"engine": {"data_dirs": []}}})) == set()
}
