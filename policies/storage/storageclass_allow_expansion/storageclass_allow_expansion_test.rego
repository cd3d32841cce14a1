package stategate.storage.storageclass_allow_expansion_test

import data.stategate.storage.storageclass_allow_expansion as policy

request(operation, provisioner, expands) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StorageClass",
		"name": "fast",
		"storage_class": {"provisioner": provisioner, "allow_volume_expansion": expands},
	},
	"parameters": {"no_expansion": ["*hostpath*"]},
}

found(document) := violations if violations := policy.violation with input as document

test_class_that_expands_passes if found(request("CREATE", "ebs.csi.aws.com", true)) == set()

test_class_that_does_not_expand_fails if {
	some v in found(request("CREATE", "ebs.csi.aws.com", false))
	contains(v.msg, "StorageClass fast does not let its volumes grow")
	v.path == ["allowVolumeExpansion"]
	v.fix == "Set allowVolumeExpansion: true"
}

test_class_that_exists_is_patched if {
	some v in found(request("UPDATE", "ebs.csi.aws.com", false))
	v.fix == "kubectl patch storageclass fast -p '{\"allowVolumeExpansion\": true}'"
}

test_drivers_that_cannot_expand_pass if {
	every provisioner in ["kubernetes.io/no-provisioner", "no-provisioning", "ceph.rook.io/block", "microk8s.io/hostpath"] {
		found(request("CREATE", provisioner, false)) == set()
	}
}

patched(document) := patches if patches := policy.patch with input as document

test_growth_is_allowed_in_files if {
	patched(request("CREATE", "ebs.csi.aws.com", false)) == {{"op": "add", "path": ["allowVolumeExpansion"], "value": true}}
	patched(request("CREATE", "microk8s.io/hostpath", false)) == set()
}

test_what_nothing_serves_any_more_passes if {
	found(request("CREATE", "kubernetes.io/glusterfs", false)) == set()
	count(found(request("CREATE", "kubernetes.io/gce-pd", false))) == 1
}

test_disks_that_many_read_pass if {
	document := request("CREATE", "pd.csi.storage.gke.io", false)
	read := object.union(document, {"workload": {"storage_class": {"parameters": {"type": "hyperdisk-ml"}}}})
	count(found(read)) == 1
	found(object.union(read, {"review": {"object": {"allowVolumeExpansion": false}}})) == set()
}
