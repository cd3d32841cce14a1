# METADATA
# title: Storage classes encrypt at rest
# description: >-
#   An unencrypted disk can be read by anyone who obtains it, a snapshot of it or a replaced drive, and it cannot be
#   encrypted afterwards: the data must move to a new volume. Each driver turns encryption on in its own way; a table
#   lists them. Values are compared exactly, because the EBS driver accepts only "true": "True" silently creates a plain
#   disk. A kmsKeyId also turns encryption on there. Google Cloud, Azure, DigitalOcean and Oracle encrypt every disk.
#   What the class cannot show must be attested: encrypted drives or pools, an account's default encryption
#   (account_default_encryption), drivers that the table does not know (extra_rules, attested_provisioners). Whether an
#   unknown driver encrypts is not known, nor whether Ceph's disks are encrypted if its class says nothing, and
#   directories and disks of the nodes have nothing to turn on in the class. Such classes pass unless refuse_unknown is
#   set, as in the profile regulated: then somebody must attest it. Classes that make buckets pass: they have no volumes.
#   The parameters of an existing class cannot be changed: it is deleted and created again, and its volumes stay as
#   they are.
# related_resources:
# - ref: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
# - ref: https://github.com/ceph/ceph-csi/blob/devel/examples/rbd/storageclass.yaml
# - ref: https://longhorn.io/docs/latest/advanced-resources/security/volume-encryption/
# - ref: https://upcloud.com/docs/guides/storage-encryption-at-rest/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     extra_rules:
#       type: map
#       of: map
#       default: {}
#       description: More drivers, or alternatives for known ones. From provisioner (glob) to parameters and their values (globs).
#     attested_provisioners:
#       type: list
#       of: string
#       default: []
#       description: Provisioners (globs) whose storage is known to be encrypted.
#     account_default_encryption:
#       type: boolean
#       default: false
#       description: The AWS account encrypts every EBS volume by default.
#     refuse_unknown:
#       type: boolean
#       default: false
#       description: Refuse classes for which it is unknown whether they encrypt.
#   fix: >-
#     Set the driver's encryption parameter; or, if the storage encrypts by other means, annotate
#     stategate.io/encryption-attested: <how>.
#   why: a volume created without encryption stays so; encrypting it later means moving the data
package stategate.encryption.encryption_storageclass_at_rest

import data.stategate.lib.buckets
import data.stategate.lib.encryption

class := encryption.reviewed

violation contains v if {
	input.parameters.refuse_unknown
	encryption.verdict(class, input.parameters) == "unknown"
	not buckets.made
	v := {
		"msg": sprintf(
			"StorageClass %s: nobody knows whether %s encrypts its volumes",
			[input.workload.name, class.provisioner],
		),
		"path": ["provisioner"],
		"fix": sprintf(
			"If the storage encrypts, say how: annotation stategate.io/encryption-attested: <how, 10 characters or more>%s",
			[else_turn_on],
		),
	}
}

violation contains v if {
	encryption.verdict(class, input.parameters) == "plain"
	v := {
		"msg": sprintf(
			"StorageClass %s (%s) does not encrypt its volumes at rest",
			[input.workload.name, class.provisioner],
		),
		"path": ["parameters"],
		"fix": sprintf(
			"Set below parameters, spelled exactly so: %s%s; a class that exists is deleted and created again",
			[encryption.remedy(class.provisioner, input.parameters.extra_rules), for_growth],
		),
	}
}

else_turn_on := sprintf("; if not, set %s", [how]) if {
	how := encryption.remedy(class.provisioner, input.parameters.extra_rules)
	how != ""
} else := ""

# A node grows a device only with its key. Older versions of Kubernetes give it none.
for_growth := sprintf(" (from Kubernetes 1.29 on also %s, or a mounted volume does not grow)", [names]) if {
	class.provisioner == "driver.longhorn.io"
	class.allow_volume_expansion
	names := "csi.storage.k8s.io/node-expand-secret-name and csi.storage.k8s.io/node-expand-secret-namespace"
} else := ""
