package stategate.encryption.encryption_customer_managed_key_test

import data.stategate.encryption.encryption_customer_managed_key as policy

request(provisioner, class_parameters, parameters) := {
	"workload": {
		"kind": "StorageClass",
		"name": "fast",
		"annotations": {},
		"storage_class": {"provisioner": provisioner, "parameters": class_parameters},
	},
	"parameters": object.union(
		{"allowed_keys": {}, "key_parameters": {}, "account_default_encryption": false},
		parameters,
	),
}

found(document) := violations if violations := policy.violation with input as document

ours := "arn:aws:kms:eu-central-1:111122223333:key/0d9f2f6e"

test_own_key_passes if found(request("ebs.csi.aws.com", {"encrypted": "true", "kmsKeyId": ours}, {})) == set()

test_key_of_the_provider_fails if {
	some v in found(request("ebs.csi.aws.com", {"encrypted": "true"}, {}))
	startswith(v.msg, "StorageClass fast (ebs.csi.aws.com) names no key of your own: ")
	v.path == ["parameters"]
	v.fix == "Set parameters.kmsKeyId to the identifier of a key of your own; a class that exists is deleted and created again"
}

test_empty_key_is_none if {
	count(found(request("ebs.csi.aws.com", {"encrypted": "true", "kmsKeyId": ""}, {}))) == 1
}

test_alias_of_aws_is_no_key_of_your_own if {
	some v in found(request("ebs.csi.aws.com", {"encrypted": "true", "kmsKeyId": "alias/aws/ebs"}, {}))
	contains(v.msg, "names no key of your own")
}

test_clouds_that_always_encrypt_need_a_key if {
	count(found(request("pd.csi.storage.gke.io", {"type": "pd-ssd"}, {}))) == 1
	count(found(request("disk.csi.azure.com", {"skuName": "Premium_LRS"}, {}))) == 1
	found(request("disk.csi.azure.com", {"diskencryptionsetid": "/subscriptions/1/des"}, {})) == set()
}

test_ceph if {
	count(found(request("rook-ceph.rbd.csi.ceph.com", {"encrypted": "true"}, {}))) == 1
	found(request("rook-ceph.rbd.csi.ceph.com", {"encrypted": "true", "encryptionKMSID": "vault"}, {})) == set()
}

test_no_encryption_is_the_fault_of_another_policy if found(request("ebs.csi.aws.com", {"type": "gp3"}, {})) == set()

test_account_default_encrypts if {
	count(found(request("ebs.csi.aws.com", {"type": "gp3"}, {"account_default_encryption": true}))) == 1
}

test_attested_class_passes if {
	document := request("rook-ceph.rbd.csi.ceph.com", {"encrypted": "true"}, {})
	annotated := {"workload": {"annotations": {"stategate.io/encryption-attested": "OSDs are on dm-crypt"}}}
	found(object.union(document, annotated)) == set()
}

only_ours := {"allowed_keys": {"ebs.csi.aws.com": ["arn:aws:kms:*:111122223333:*"]}}

test_key_must_be_allowed if {
	found(request("ebs.csi.aws.com", {"encrypted": "true", "kmsKeyId": ours}, only_ours)) == set()
	some v in found(request("ebs.csi.aws.com", {"encrypted": "true", "kmsKeyId": "alias/shop"}, only_ours))
	contains(v.msg, "uses a key that is not allowed: alias/shop")
	startswith(v.fix, "Set parameters.kmsKeyId to arn:aws:kms:*:111122223333:*; a class")
}

test_other_drivers if {
	extra := {"key_parameters": {"csi.san.example": "key"}}
	found(request("csi.san.example", {}, {})) == set()
	count(found(request("csi.san.example", {}, extra))) == 1
	found(request("csi.san.example", {"key": "k1"}, extra)) == set()
	found(request("driver.longhorn.io", {"encrypted": "true"}, {})) == set()
}
