package stategate.encryption.encryption_storageclass_at_rest_test

import data.stategate.encryption.encryption_storageclass_at_rest as policy

defaults := {
	"extra_rules": {},
	"attested_provisioners": [],
	"account_default_encryption": false,
	"refuse_unknown": false,
}

strict := {"refuse_unknown": true}

class(provisioner, parameters) := {
	"workload": {
		"kind": "StorageClass",
		"name": "fast",
		"annotations": {},
		"storage_class": {"provisioner": provisioner, "parameters": parameters},
	},
	"parameters": defaults,
}

told(document, parameters) := object.union(document, {"parameters": object.union(defaults, parameters)})

annotated(document, reason) := object.union(
	document,
	{"workload": {"annotations": {"stategate.io/encryption-attested": reason}}},
)

found(document) := violations if violations := policy.violation with input as document

test_encrypted_ebs_passes if found(class("ebs.csi.aws.com", {"type": "gp3", "encrypted": "true"})) == set()

test_key_of_ebs_in_any_case_passes if found(class("ebs.csi.aws.com", {"Encrypted": "true"})) == set()

# The driver compares with "true" and treats everything else as false.
test_value_of_ebs_must_be_exact if count(found(class("ebs.csi.aws.com", {"encrypted": "True"}))) == 1

test_contradiction_of_ebs_fails if {
	count(found(class("ebs.csi.aws.com", {"encrypted": "true", "Encrypted": "false"}))) == 1
}

test_ebs_without_encryption_fails if {
	some v in found(class("ebs.csi.aws.com", {"type": "gp3"}))
	v.msg == "StorageClass fast (ebs.csi.aws.com) does not encrypt its volumes at rest"
	v.path == ["parameters"]
	v.fix == "Set below parameters, spelled exactly so: encrypted: \"true\" or kmsKeyId: \"<yours>\"; a class that exists is deleted and created again"
}

test_in_tree_ebs_fails_alike if count(found(class("kubernetes.io/aws-ebs", {"type": "gp2"}))) == 1

test_account_default_passes_what_is_not_said if {
	document := class("ebs.csi.aws.com", {"type": "gp3"})
	found(told(document, {"account_default_encryption": true})) == set()
}

test_account_default_does_not_pass_a_no if {
	document := class("ebs.csi.aws.com", {"encrypted": "false"})
	count(found(told(document, {"account_default_encryption": true}))) == 1
}

test_account_default_is_for_ebs_only if {
	count(found(told(class("driver.longhorn.io", {}), {"account_default_encryption": true}))) == 1
}

test_clouds_that_always_encrypt_pass if {
	every provisioner in ["pd.csi.storage.gke.io", "disk.csi.azure.com", "kubernetes.io/gce-pd"] {
		found(class(provisioner, {})) == set()
	}
}

test_ceph_of_rook if {
	found(class("rook-ceph.rbd.csi.ceph.com", {"encrypted": "true"})) == set()
	count(found(class("rook-ceph.rbd.csi.ceph.com", {"encrypted": "yes"}))) == 1
}

# Its disks may be encrypted below the class.
test_ceph_whose_class_says_nothing_is_not_known if {
	document := class("rook-ceph.rbd.csi.ceph.com", {"pool": "replicapool"})
	found(document) == set()
	some v in found(told(document, strict))
	contains(v.msg, "nobody knows whether rook-ceph.rbd.csi.ceph.com encrypts")
	endswith(v.fix, "; if not, set encrypted: \"true\", with encryptionKMSID: \"<yours>\" or encryptionPassphrase in its secrets")
}

test_keys_of_other_drivers_are_exact if {
	count(found(class("linodebs.csi.linode.com", {"linodebs.csi.linode.com/Encrypted": "true"}))) == 1
}

test_cephfs_needs_a_key_service if {
	count(found(class("rook-ceph.cephfs.csi.ceph.com", {"encrypted": "true"}))) == 1
	found(class("rook-ceph.cephfs.csi.ceph.com", {"encrypted": "true", "encryptionKMSID": "vault"})) == set()
}

longhorn := {
	"encrypted": "true",
	"csi.storage.k8s.io/provisioner-secret-name": "longhorn-crypto",
	"csi.storage.k8s.io/provisioner-secret-namespace": "longhorn-system",
	"csi.storage.k8s.io/node-stage-secret-name": "longhorn-crypto",
	"csi.storage.k8s.io/node-stage-secret-namespace": "longhorn-system",
	"csi.storage.k8s.io/node-publish-secret-name": "longhorn-crypto",
	"csi.storage.k8s.io/node-publish-secret-namespace": "${pvc.namespace}",
}

test_longhorn_with_secrets_passes if found(class("driver.longhorn.io", longhorn)) == set()

test_longhorn_without_a_secret_fails if {
	parameters := object.remove(longhorn, ["csi.storage.k8s.io/node-stage-secret-name"])
	some v in found(class("driver.longhorn.io", parameters))
	contains(v.fix, "csi.storage.k8s.io/node-stage-secret-name: \"<yours>\"")
	homeless := object.remove(longhorn, ["csi.storage.k8s.io/node-stage-secret-namespace"])
	some w in found(class("driver.longhorn.io", homeless))
	contains(w.fix, "csi.storage.k8s.io/node-stage-secret-namespace: \"<yours>\"")
}

test_portworx_and_upcloud if {
	found(class("pxd.portworx.com", {"secure": "true"})) == set()
	found(class("storage.csi.upcloud.com", {"encryption": "data-at-rest"})) == set()
	count(found(class("storage.csi.upcloud.com", {}))) == 1
}

test_unknown_driver_must_be_attested if {
	some v in found(told(class("topolvm.io", {}), strict))
	contains(v.msg, "nobody knows whether topolvm.io encrypts")
	v.path == ["provisioner"]
	contains(v.fix, "stategate.io/encryption-attested")
}

test_unknown_driver_is_not_known if found(class("topolvm.io", {})) == set()

test_directories_of_nodes_must_be_attested_only_if_asked if {
	every provisioner in ["kubernetes.io/no-provisioner", "rancher.io/local-path"] {
		found(class(provisioner, {})) == set()
		count(found(told(class(provisioner, {}), strict))) == 1
	}
}

test_attested_class_passes if {
	found(annotated(told(class("topolvm.io", {}), strict), "LUKS below the volume group")) == set()
}

test_attestation_needs_a_reason if {
	document := told(class("topolvm.io", {}), strict)
	count(found(annotated(document, "yes"))) == 1
	count(found(annotated(document, "              "))) == 1
}

test_attestation_passes_a_known_driver if {
	found(annotated(told(class("rbd.csi.ceph.com", {}), strict), "OSDs are on dm-crypt")) == set()
}

test_attested_provisioner_passes if {
	found(told(class("csi.san.example", {}), {"refuse_unknown": true, "attested_provisioners": ["*.san.example"]})) == set()
}

vsphere := {"extra_rules": {"csi.vsphere.vmware.com": {"storagePolicyName": "encrypted-*"}}}

test_extra_rule_is_obeyed if {
	found(told(class("csi.vsphere.vmware.com", {"storagePolicyName": "encrypted-gold"}), vsphere)) == set()
	count(found(told(class("csi.vsphere.vmware.com", {"storagePolicyName": "gold"}), vsphere))) == 1
}

test_extra_rule_is_another_way if {
	document := told(class("rbd.csi.ceph.com", {"pool": "crypt"}), {"extra_rules": {"rbd.csi.ceph.com": {"pool": "crypt"}}})
	found(document) == set()
	some v in found(object.union(document, {"workload": {"storage_class": {"parameters": {"pool": "plain"}}}}))
	contains(v.fix, "encrypted: \"true\" or pool: \"crypt\"")
}

test_values_of_extra_rules_need_not_be_text if {
	found(told(class("csi.san.example", {"crypt": "true"}), {"extra_rules": {"csi.san.example": {"crypt": true}}})) == set()
}

test_longhorn_s_key_is_needed_to_grow if {
	growing := object.union(class("driver.longhorn.io", {}), {"workload": {"storage_class": {"allow_volume_expansion": true}}})
	some v in found(growing)
	contains(v.fix, "of a Secret with the key in CRYPTO_KEY_VALUE (from Kubernetes 1.29 on also csi.storage.k8s.io/node-expand-secret-name")
	some w in found(class("driver.longhorn.io", {}))
	not contains(w.fix, "expand")
}
