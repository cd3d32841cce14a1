# METADATA
# title: Claims use a class that encrypts
# description: >-
#   A claim gets the disk that its class makes, and a disk cannot be encrypted afterwards. A class that was there before
#   anybody asked for encryption, or one that another team added, is found here: by the claims that use it, the default
#   class of claims that name none included.
#   A class is judged as by encryption-storageclass-at-rest, with the same table of drivers, the same attestations and
#   parameters of the same names; give both the same values. Generic ephemeral volumes of all workloads are judged, too:
#   what a data store sorts is data. A class of a driver that the table does not know is left to that policy, unless refuse_unknown
#   is set: who deploys a workload cannot know what only the platform can attest. A claim that exists is left alone, and
#   so is one more replica of a StatefulSet that exists, whose template only warns; volumes made by hand have no class.
#   The classes are those of the cluster as stategate last saw them.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# - ref: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, Pod, PersistentVolumeClaim]}
#   inventory: {StorageClass.storage.k8s.io: cluster}
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
#     refuse_unknown:
#       type: boolean
#       default: false
#       description: Refuse classes of which nobody knows whether they encrypt.
#     exempt_classifications:
#       type: list
#       of: string
#       default: []
#       description: Values of the label data-classification that need no encryption.
#   fix: Use a class that encrypts its volumes at rest.
package stategate.encryption.encryption_claim_class_encrypted

import data.stategate.lib.encryption
import data.stategate.lib.requested_claims

violation contains v if {
	some claim in judged
	class := input.related.claim_classes[claim.name]
	verdict := encryption.verdict(class, input.parameters)
	what := faults[verdict]
	refused(verdict)
	not exempt
	v := {
		"msg": sprintf("claim %s uses class %s (%s), %s", [claim.name, class.name, class.provisioner, what]),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
		"fix": fix(claim, class),
	}
}

faults := {
	"plain": "which does not encrypt its volumes at rest",
	"unknown": "of which nobody knows whether it encrypts its volumes",
}

refused(verdict) if verdict == "plain"

refused(verdict) if {
	verdict == "unknown"
	input.parameters.refuse_unknown
}

judged contains claim if {
	some claim in input.workload.claims
	claim.origin in {"template", "ephemeral"}
}

judged contains claim if {
	input.review.operation == "CREATE"
	some claim in requested_claims.requested
}

exempt if input.workload.labels["data-classification"] in input.parameters.exempt_classifications

fix(claim, class) := text if {
	claim.origin == "template"
	input.review.operation == "UPDATE"
	text := sprintf(
		"Copy the data to claims of a class that encrypts; those of %s stay as they are",
		[class.name],
	)
} else := sprintf(
	"Set storageClassName to a class that encrypts; if %s does by other means, annotate it stategate.io/encryption-attested",
	[class.name],
)
