# METADATA
# title: Claims use a class that encrypts
# description: >-
#   A claim gets the disk that its class provides, and a disk cannot be encrypted afterwards. This policy finds
#   classes that predate the demand for encryption, or that another team added, by the claims that use them,
#   including the default class of claims that name none. It evaluates a class as encryption-storageclass-at-rest
#   does, with the same table of drivers, the same attestations and parameters of the same names; give both policies
#   the same values. Generic ephemeral volumes of all workloads are checked, too: what a data store sorts is data. A
#   class whose driver the table does not know is left to that policy, unless refuse_unknown is set: whoever deploys
#   a workload cannot know what only the platform can attest. An existing claim passes, and so does a further replica
#   of an existing StatefulSet, whose template only warns; volumes made by hand have no class. The classes are those
#   of the cluster as stategate last saw them; a class that is checked in the same run is reported itself, once.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# - ref: https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, PersistentVolumeClaim]}
#   inventory: {StorageClass.storage.k8s.io: cluster}
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
#     exempt_classifications:
#       type: list
#       of: string
#       default: []
#       description: Values of the label data-classification that need no encryption.
#   fix: Use a class that encrypts its volumes at rest.
#   why: a disk cannot be encrypted afterwards; its data would have to move to a new volume
package stategate.encryption.encryption_claim_class_encrypted

import data.stategate.lib.encryption
import data.stategate.lib.requested_claims

violation contains v if {
	some claim in judged
	class := input.related.claim_classes[claim.name]
	not told_at_the_class(class)
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

# A class in the same run is judged itself: one cause, one finding.
told_at_the_class(class) if {
	class.reviewed
	input.review.operation == "CREATE"
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
