# METADATA
# title: Storage classes encrypt at rest
# description: >-
#   A disk that is not encrypted can be read by whoever gets hold of it, of a snapshot or of a replaced drive, and it
#   cannot be encrypted afterwards: the data must move to a new volume. Each driver is told in its own way; a table in
#   the policy knows them. The EBS driver takes the value "true" only, "True" quietly gives a plain disk, so values are
#   compared exactly. Google Cloud and Azure encrypt every disk.
#   What the class cannot show must be attested: encrypted drives or pools, an account's default encryption
#   (account_default_encryption), drivers that the table does not know (extra_rules, attested_provisioners).
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
#       description: More drivers, or other ways for known ones. From provisioner (glob) to parameters and their values (globs).
#     attested_provisioners:
#       type: list
#       of: string
#       default: []
#       description: Provisioners (globs) whose storage is known to be encrypted.
#     account_default_encryption:
#       type: boolean
#       default: false
#       description: The AWS account encrypts every EBS volume by default.
#   fix: >-
#     Set the driver's encryption parameter; or, if the storage encrypts by other means, annotate
#     stategate.io/encryption-attested: <how>.
package stategate.encryption.encryption_storageclass_at_rest

import data.stategate.lib.globs

# What a driver must be told. No parameters: the provider encrypts every disk anyway.
drivers := {
	"ebs.csi.aws.com": {"encrypted": "true"},
	"kubernetes.io/aws-ebs": {"encrypted": "true"},
	"pd.csi.storage.gke.io": {},
	"kubernetes.io/gce-pd": {},
	"filestore.csi.storage.gke.io": {},
	"disk.csi.azure.com": {},
	"file.csi.azure.com": {},
	"kubernetes.io/azure-disk": {},
	"*rbd.csi.ceph.com": {"encrypted": "true"},
	"*cephfs.csi.ceph.com": {"encrypted": "true", "encryptionKMSID": "?*"},
	"driver.longhorn.io": {
		"encrypted": "true",
		"csi.storage.k8s.io/provisioner-secret-name": "?*",
		"csi.storage.k8s.io/node-stage-secret-name": "?*",
		"csi.storage.k8s.io/node-publish-secret-name": "?*",
	},
	"pxd.portworx.com": {"secure": "true"},
	"kubernetes.io/portworx-volume": {"secure": "true"},
	"storage.csi.upcloud.com": {"encryption": "data-at-rest"},
}

# Their parameters' names may be written in any case.
ebs := {"ebs.csi.aws.com", "kubernetes.io/aws-ebs"}

provisioner := input.workload.storage_class.provisioner

violation contains v if {
	count(ways) == 0
	not attested
	v := {
		"msg": sprintf("StorageClass %s: nobody knows whether %s encrypts its volumes", [input.workload.name, provisioner]),
		"path": ["provisioner"],
		"fix": "If the storage encrypts, say how: annotation stategate.io/encryption-attested: <how, 10 characters or more>",
	}
}

violation contains v if {
	count(ways) > 0
	not encrypted
	not attested
	wanted := concat(" or ", {text | some way in ways; text := shown(way)})
	v := {
		"msg": sprintf("StorageClass %s (%s) does not encrypt its volumes at rest", [input.workload.name, provisioner]),
		"path": ["parameters"],
		"fix": sprintf("Set below parameters, spelled exactly so: %s", [wanted]),
	}
}

ways contains way if {
	some table in [drivers, input.parameters.extra_rules]
	some pattern, needs in table
	globs.matches_any([pattern], provisioner)
	way := {name: text | some name, value in needs; text := sprintf("%v", [value])}
}

encrypted if {
	some way in ways
	every name, pattern in way {
		says(name, pattern)
	}
}

# Unless the class says no in so many words.
encrypted if {
	input.parameters.account_default_encryption
	provisioner in ebs
	count(said("encrypted")) == 0
}

says(name, pattern) if {
	count(said(name)) > 0
	every value in said(name) {
		globs.matches_any([pattern], value)
	}
}

said(name) := {value |
	some written, value in input.workload.storage_class.parameters
	spelling(written) == spelling(name)
}

spelling(name) := lower(name) if {
	provisioner in ebs
} else := name

attested if globs.matches_any(input.parameters.attested_provisioners, provisioner)

attested if count(trim_space(input.workload.annotations["stategate.io/encryption-attested"])) >= 10

shown(way) := concat(", ", {text |
	some name, value in way
	text := sprintf("%s: \"%s\"", [name, replace(value, "?*", "<yours>")])
})
