# METADATA
# title: Volumes are encrypted with a key of your own
# description: >-
#   With a key of the provider, who may decrypt is the provider's matter: the key cannot be withdrawn, its use is not in
#   your audit log, and deleting the data for good means trusting somebody else. With a key of your own all of that is
#   one switch. Judged are classes of drivers that take a key: EBS, disks and Filestore of Google Cloud, disks of Azure, Ceph, and those of
#   key_parameters. Without configuration any key will do but alias/aws/ebs, which is the provider's;
#   allowed_keys says which ones, by provisioner.
#   A class that does not encrypt at all is the matter of encryption-storageclass-at-rest; what is attested to encrypt
#   by other means passes. Longhorn's key is in your own Secret by design.
# related_resources:
# - ref: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
# - ref: https://cloud.google.com/kubernetes-engine/docs/how-to/using-cmek
# - ref: https://github.com/kubernetes-sigs/azuredisk-csi-driver/blob/master/docs/driver-parameters.md
# - ref: https://github.com/ceph/ceph-csi/blob/devel/examples/rbd/storageclass.yaml
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     allowed_keys:
#       type: map
#       of: list
#       default: {}
#       description: From provisioner to the keys (globs) that its classes may use. Without an entry any key will do.
#     key_parameters:
#       type: map
#       of: string
#       default: {}
#       description: More drivers. From provisioner (glob) to the parameter that names the key.
#     account_default_encryption:
#       type: boolean
#       default: false
#       description: The AWS account encrypts every EBS volume by default.
#   fix: Name a key of your own in the class's parameters.
package stategate.encryption.encryption_customer_managed_key

import data.stategate.lib.encryption
import data.stategate.lib.globs

key_parameters := {
	"ebs.csi.aws.com": "kmsKeyId",
	"kubernetes.io/aws-ebs": "kmsKeyId",
	"pd.csi.storage.gke.io": "disk-encryption-kms-key",
	"filestore.csi.storage.gke.io": "instance-encryption-kms-key",
	"disk.csi.azure.com": "diskEncryptionSetID",
	"kubernetes.io/azure-disk": "diskEncryptionSetID",
	"*rbd.csi.ceph.com": "encryptionKMSID",
	"*cephfs.csi.ceph.com": "encryptionKMSID",
}

class := encryption.reviewed

violation contains v if {
	some name in names
	encrypts
	count(keys(name)) == 0
	v := {
		"msg": sprintf(
			"StorageClass %s (%s) names no key of your own: you cannot withdraw the key, nor see in your log who uses it",
			[input.workload.name, class.provisioner],
		),
		"path": ["parameters"],
		"fix": sprintf("Set parameters.%s to %s", [name, concat(" or ", wanted)]),
	}
}

violation contains v if {
	some name in names
	encrypts
	patterns := allowed
	some key in keys(name)
	not globs.matches_any(patterns, key)
	v := {
		"msg": sprintf("StorageClass %s (%s) uses a key that is not allowed: %s", [input.workload.name, class.provisioner, key]),
		"path": ["parameters"],
		"fix": sprintf("Set parameters.%s to %s", [name, concat(" or ", wanted)]),
	}
}

names contains name if {
	some table in [key_parameters, input.parameters.key_parameters]
	some pattern, name in table
	globs.matches_any([pattern], class.provisioner)
}

# Of AWS, alias/aws/ebs is the provider's key.
keys(name) := {key | some key in encryption.said(class, name); key != ""; not contains(key, "alias/aws/")}

# A driver that is only known by its key counts as encrypting.
encrypts if encryption.verdict(class, told) in {"encrypted", "unknown"}

told := {
	"extra_rules": {},
	"attested_provisioners": [],
	"account_default_encryption": input.parameters.account_default_encryption,
}

allowed := object.get(input.parameters.allowed_keys, class.provisioner, ["*"])

wanted := ["the identifier of a key of your own"] if {
	allowed == ["*"]
} else := allowed
