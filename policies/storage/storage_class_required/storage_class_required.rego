# METADATA
# title: Claims of data stores name their storage class
# description: >-
#   A claim without a class gets whatever class is the cluster's default on that day: perhaps a slow disk, one that
#   is not encrypted, or one that is deleted with its claim; and the class cannot be changed afterwards. If there is
#   no default, the claim stays pending. At admission the API server has already filled the default into a
#   PersistentVolumeClaim, so a claim that relies on it is found only in files and in the templates of StatefulSets,
#   which are not filled in. The default may be meant, and nothing is lost by it, so this policy only warns, and only
#   where the disk matters: of claims that hold a data store's data. Claims of other workloads pass, and so does a
#   claim whose default class is known, which is judged itself. A file with a claim that nothing in sight mounts does not
#   tell what it is for (models, a cache, somebody's notebook): it passes unless it is for volumes made by hand (a
#   selector, a volume's name, a volume that fits it). At admission such a claim is told of, for there is no default
#   class then, and it stays pending. A chart is meant for clusters whose classes it cannot name, so what Helm rendered passes, unless judge_charts
#   is set, as in the profile regulated: whether the class is good, other policies judge where it is known. A claim that
#   is meant for a volume made by hand without a class must say so with storageClassName "", and volumeName or a
#   selector: then it passes. Without, a default class gives it a new and empty volume. Generic ephemeral volumes are
#   scratch space and are not checked, nor are the claims that a StatefulSet creates, because its templates are checked
#   instead.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/storage-classes/
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#class-1
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim]}
#   inventory:
#     StorageClass.storage.k8s.io: optional
#     StatefulSet.apps: optional
#     Deployment.apps: optional
#     PersistentVolume: optional
#   parameters:
#     allow_cluster_default: {type: boolean, default: false, description: Accept claims that use the cluster's default class.}
#     judge_charts: {type: boolean, default: false, description: Also check what Helm rendered.}
#   fix: Set storageClassName in the claim's spec to a class of your cluster (`kubectl get storageclass` lists them).
#   why: the class cannot change later, and a default may be slow, unencrypted or erase its disks
package stategate.storage.storage_class_required

import data.stategate.lib.claims
import data.stategate.lib.meant_volumes
import data.stategate.lib.requested_claims
import data.stategate.lib.statefulsets

violation contains v if {
	not input.parameters.allow_cluster_default
	not portable
	some remedy in {fix(claim) | some claim in lacking}
	alike := [claim | some claim in lacking; fix(claim) == remedy]
	v := {
		"msg": sprintf("%s: it gets whatever is the default that day, or stays pending", [said(alike)]),
		"path": alike[0].spec_path,
		"fix": remedy,
	}
}

lacking := [claim |
	some claim in input.workload.claims
	claim.storage_class == "" # absent or empty
	not claim.static_binding
	claim in requested_claims.requested
	judged(claim)
]

said(alike) := sprintf("claim %s names no storage class", [alike[0].name]) if count(alike) == 1

said(alike) := sprintf("none of the claims %s names a storage class", [concat(", ", [claim.name | some claim in alike])]) if {
	count(alike) > 1
}

portable if {
	not input.parameters.judge_charts
	rendered
}

rendered if input.workload.labels["helm.sh/chart"]

rendered if {
	some key in ["app.kubernetes.io/managed-by", "heritage"]
	input.workload.labels[key] in {"Helm", "Tiller"}
}

judged(claim) if {
	claim.origin == "template"
	claim in claims.of_data
}

# A claim keeps the class it was created with: a later update cannot fix it.
judged(claim) if {
	claim.origin == "object"
	input.review.operation == "CREATE"
	not input.related.default_storage_class
	not of_others
	not of_unknown_use(claim)
}

# Everything in sight that mounts it runs no data store, or keeps other things there.
of_others if {
	count(input.related.consumers) > 0
	every consumer in input.related.consumers {
		not consumer.holds_data
	}
}

# A file, and nothing in sight that mounts it. At admission, the default class would have been filled in.
of_unknown_use(claim) if {
	input.review.uid == ""
	not holds_data
	not selected(claim)
	not claim.volume_name
	count(meant) == 0
}

holds_data if {
	some consumer in input.related.consumers
	consumer.holds_data
}

# Volumes without a class that the claim is for.
meant contains name if {
	some volume in meant_volumes.meant
	volume.storage_class == ""
	name := volume.name
}

selected(claim) if {
	claim.origin == "object"
	input.review.object.spec.selector
}

selected(claim) if {
	some template in input.review.object.spec.volumeClaimTemplates
	template.metadata.name == claim.name
	template.spec.selector
}

fix(claim) := sprintf("Set spec.storageClassName to that of volume %s, or to \"\" if it has none", [claim.volume_name]) if {
	claim.volume_name
} else := text if {
	input.review.operation == "UPDATE" # templates cannot be changed
	text := sprintf(
		"%s, then apply it with storageClassName in the claim template",
		[statefulsets.orphan],
	)
} else := text if {
	claim.origin == "object"
	count(meant) > 0
	text := sprintf(
		"Set spec.storageClassName: \"\" and spec.volumeName: %s; with a default class it gets a new, empty volume",
		[concat(" or ", meant)],
	)
} else := text if {
	selected(claim)
	text := sprintf("Set its storageClassName to that of the volumes that its selector is for, or to \"\" if they have none%s", [again(claim)])
} else := text if {
	claim.origin == "object"
	text := concat("", [
		"Set spec.storageClassName to a class of your cluster (kubectl get storageclass lists them); ",
		"if it is for a volume made by hand without a class, to \"\", and spec.volumeName to that volume",
	])
} else := sprintf(
	"Set spec.storageClassName in the claim template to a class of your cluster (kubectl get storageclass)%s",
	[again(claim)],
)

again(claim) := text if {
	claim.origin == "template"
	text := sprintf("; if the StatefulSet exists: %s, and apply it again", [statefulsets.orphan])
} else := ""
