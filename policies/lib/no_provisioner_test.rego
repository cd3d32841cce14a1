package stategate.lib.no_provisioner_test

import data.stategate.lib.no_provisioner

test_names_of_nobody if {
	every name in ["kubernetes.io/no-provisioner", "no-provisioner", "no-provisioning", "noprovisioner", "none"] {
		no_provisioner.provisions_nothing({"provisioner": name})
	}
}

test_drivers if {
	every name in ["ebs.csi.aws.com", "example.com/nfs-provisioner", "none.csi.example.com"] {
		not no_provisioner.provisions_nothing({"provisioner": name})
	}
}
