# Whether volumes of a StorageClass are encrypted at rest, as far as the class shows.
#
# A class is {provisioner, parameters, annotations}; `told` holds the parameters of a policy: extra_rules,
# attested_provisioners, account_default_encryption.
package stategate.lib.encryption

import data.stategate.lib.globs

# The class under review.
reviewed := object.union(input.workload.storage_class, {"annotations": input.workload.annotations})

# The parameters that a driver needs to encrypt. None: the provider encrypts every disk anyway.
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
	# A name without its namespace is refused: claims stay pending.
	"driver.longhorn.io": {
		"encrypted": "true",
		"csi.storage.k8s.io/provisioner-secret-name": "?*",
		"csi.storage.k8s.io/provisioner-secret-namespace": "?*",
		"csi.storage.k8s.io/node-stage-secret-name": "?*",
		"csi.storage.k8s.io/node-stage-secret-namespace": "?*",
		"csi.storage.k8s.io/node-publish-secret-name": "?*",
		"csi.storage.k8s.io/node-publish-secret-namespace": "?*",
	},
	"pxd.portworx.com": {"secure": "true"},
	"kubernetes.io/portworx-volume": {"secure": "true"},
	"storage.csi.upcloud.com": {"encryption": "data-at-rest"},
	"linodebs.csi.linode.com": {"linodebs.csi.linode.com/encrypted": "true"},
	"diskplugin.csi.alibabacloud.com": {"encrypted": "true"},
	"dobs.csi.digitalocean.com": {},
	"blockvolume.csi.oraclecloud.com": {},
}

# With a key, the driver encrypts, whatever its other parameters are.
by_key := {
	"ebs.csi.aws.com": {"kmsKeyId": "?*"},
	"kubernetes.io/aws-ebs": {"kmsKeyId": "?*"},
}

# Drivers whose parameter names are case-insensitive.
any_case := {"ebs.csi.aws.com", "kubernetes.io/aws-ebs", "disk.csi.azure.com", "kubernetes.io/azure-disk"}

ebs := {"ebs.csi.aws.com", "kubernetes.io/aws-ebs"}

# Storage whose disks may be encrypted below the class: a class that says nothing of it tells nothing.
by_disks := ["*rbd.csi.ceph.com", "*cephfs.csi.ceph.com"]

verdict(class, told) := "attested" if {
	attested(class, told.attested_provisioners)
} else := "unknown" if {
	count(ways(class.provisioner, told.extra_rules)) == 0
} else := "encrypted" if {
	encrypted(class, told)
} else := "unknown" if {
	globs.matches_any(by_disks, class.provisioner)
	not says_something(class, told)
} else := "plain"

says_something(class, _) if {
	some name, _ in class.parameters
	contains(lower(name), "encrypt")
}

says_something(class, told) if {
	some way in ways(class.provisioner, told.extra_rules)
	some name, _ in way
	count(said(class, name)) > 0
}

attested(class, _) if count(trim_space(class.annotations["stategate.io/encryption-attested"])) >= 10

attested(class, provisioners) if globs.matches_any(provisioners, class.provisioner)

encrypted(class, told) if {
	some way in ways(class.provisioner, told.extra_rules)
	every name, pattern in way {
		says(class, name, pattern)
	}
}

# By the default of the account, unless the class sets the parameter itself.
encrypted(class, told) if {
	told.account_default_encryption
	class.provisioner in ebs
	count(said(class, "encrypted")) == 0
}

# Each way is a set of parameters that together make the driver encrypt.
ways(provisioner, extra_rules) := {way |
	some table in [drivers, by_key, extra_rules]
	some pattern, needs in table
	globs.matches_any([pattern], provisioner)
	way := {name: text | some name, value in needs; text := sprintf("%v", [value])}
}

says(class, name, pattern) if {
	count(said(class, name)) > 0
	every value in said(class, name) {
		globs.matches_any([pattern], value)
	}
}

# The values that a class gives a parameter: more than one if its name occurs in several spellings.
said(class, name) := {value |
	some written, value in class.parameters
	spelling(class.provisioner, written) == spelling(class.provisioner, name)
}

spelling(provisioner, name) := lower(name) if {
	provisioner in any_case
} else := name

# The parameters to set, in words. Without a key, Ceph's driver makes no volume.
remedy(provisioner, extra_rules) := sprintf("%s, with encryptionKMSID: \"<yours>\" or encryptionPassphrase in its secrets", [text]) if {
	globs.matches_any(["*rbd.csi.ceph.com"], provisioner)
	text := listed(provisioner, extra_rules)
} else := sprintf("%s, of a Secret with the key in CRYPTO_KEY_VALUE", [text]) if {
	provisioner == "driver.longhorn.io"
	text := listed(provisioner, extra_rules)
} else := listed(provisioner, extra_rules)

listed(provisioner, extra_rules) := concat(" or ", {text |
	some way in ways(provisioner, extra_rules)
	text := concat(", ", {one |
		some name, value in way
		one := sprintf("%s: \"%s\"", [name, replace(value, "?*", "<yours>")])
	})
})
