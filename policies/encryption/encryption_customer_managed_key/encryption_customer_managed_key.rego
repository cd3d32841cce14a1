# METADATA
# title: Volumes are encrypted with your own key
# description: >-
#   With a provider's key, the provider decides who may decrypt: you cannot withdraw the key, its use is not in your
#   audit log, and permanent deletion of the data depends on trusting someone else. With your own key all of that is
#   in your hands. This policy checks classes of drivers that accept a key: EBS, disks and Filestore on Google Cloud,
#   disks on Azure, Ceph, and the drivers in key_parameters. Without configuration any key passes except
#   alias/aws/ebs, which is the provider's; allowed_keys lists the accepted keys by provisioner.
#   encryption-storageclass-at-rest covers a class that does not encrypt at all; a class attested to encrypt by other
#   means passes. Longhorn's key is in your own Secret by design.
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
#       description: From provisioner to the keys (globs) that its classes may use. Without an entry any key passes.
#     key_parameters:
#       type: map
#       of: string
#       default: {}
#       description: More drivers. From provisioner (glob) to the parameter that names the key.
#     account_default_encryption:
#       type: boolean
#       default: false
#       description: The AWS account encrypts every EBS volume by default.
#   fix: Name your own key in the class's parameters; an existing class must be deleted and created again.
#   why: only with a key that you control can you cut off access to the data or destroy it for certain
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
		"fix": sprintf("Set parameters.%s to %s; a class that exists is deleted and created again", [name, concat(" or ", wanted)]),
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
		"fix": sprintf("Set parameters.%s to %s; a class that exists is deleted and created again", [name, concat(" or ", wanted)]),
	}
}

names contains name if {
	some table in [key_parameters, input.parameters.key_parameters]
	some pattern, name in table
	globs.matches_any([pattern], class.provisioner)
}

# On AWS, alias/aws/ebs is the provider's key.
keys(name) := {key | some key in encryption.said(class, name); key != ""; not contains(key, "alias/aws/")}

# A driver known only by its key parameter counts as encrypting.
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
