package stategate.lib.encryption_test

import data.stategate.lib.encryption

told := {"extra_rules": {}, "attested_provisioners": ["csi.san.example"], "account_default_encryption": false}

class(provisioner, parameters) := {"provisioner": provisioner, "parameters": parameters, "annotations": {}}

test_verdicts if {
	encryption.verdict(class("ebs.csi.aws.com", {"encrypted": "true"}), told) == "encrypted"
	encryption.verdict(class("ebs.csi.aws.com", {}), told) == "plain"
	encryption.verdict(class("topolvm.io", {}), told) == "unknown"
	encryption.verdict(class("csi.san.example", {}), told) == "attested"
}

# A class with encryption off is still attested: the author of the reason has seen it.
test_attestation_comes_first if {
	annotated := {"annotations": {"stategate.io/encryption-attested": "drives encrypt themselves"}}
	encryption.verdict(object.union(class("rbd.csi.ceph.com", {}), annotated), told) == "attested"
}

test_names_of_parameters_in_any_case if {
	encryption.said(class("disk.csi.azure.com", {"DiskEncryptionSetID": "des"}), "diskEncryptionSetID") == {"des"}
	encryption.said(class("rbd.csi.ceph.com", {"Encrypted": "true"}), "encrypted") == set()
}

test_key_of_ebs_is_enough if {
	encryption.verdict(class("ebs.csi.aws.com", {"kmsKeyId": "arn:aws:kms:eu-west-1:1:key/x"}), told) == "encrypted"
	encryption.verdict(class("ebs.csi.aws.com", {"kmsKeyId": ""}), told) == "plain"
}

test_clouds_that_encrypt_every_disk if {
	encryption.verdict(class("dobs.csi.digitalocean.com", {}), told) == "encrypted"
	encryption.verdict(class("linodebs.csi.linode.com", {}), told) == "plain"
}

test_remedy if encryption.remedy("ebs.csi.aws.com", {}) == "encrypted: \"true\" or kmsKeyId: \"<yours>\""
