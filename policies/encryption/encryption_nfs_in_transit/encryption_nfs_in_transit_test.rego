package stategate.encryption.encryption_nfs_in_transit_test

import data.stategate.encryption.encryption_nfs_in_transit as policy

request(overrides, plain) := {
	"workload": {
		"kind": "PersistentVolume",
		"name": "files",
		"persistent_volume": object.union({"source": "csi", "driver": "efs.csi.aws.com", "volume_attributes": {}}, overrides),
	},
	"parameters": {"plain_sources": plain},
}

found(document) := violations if violations := policy.violation with input as document

test_efs_encrypts_unless_told if {
	found(request({}, [])) == set()
	found(request({"volume_attributes": {"encryptInTransit": "true"}}, [])) == set()
}

test_efs_that_is_told_not_to_fails if {
	some v in found(request({"volume_attributes": {"encryptInTransit": "False"}}, []))
	contains(v.msg, "PersistentVolume files turns encryption off")
	v.path == ["spec", "csi", "volumeAttributes", "encryptInTransit"]
}

test_other_drivers_have_no_such_attribute if {
	found(request({"driver": "nfs.csi.k8s.io", "volume_attributes": {"encryptInTransit": "false"}}, [])) == set()
}

test_sources_of_the_parameters_fail if {
	some v in found({
		"workload": {"name": "files", "persistent_volume": {"source": "nfs", "volume_attributes": {}}},
		"parameters": {"plain_sources": ["nfs"]},
	})
	v.path == ["spec", "nfs"]
	some w in found(request({"driver": "nfs.csi.k8s.io"}, ["nfs.*"]))
	contains(w.msg, "is of nfs.csi.k8s.io")
	w.path == ["spec", "csi"]
}
