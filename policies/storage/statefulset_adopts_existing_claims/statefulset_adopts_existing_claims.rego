# METADATA
# title: A new StatefulSet does not adopt claims that do not match it
# description: >-
#   A StatefulSet finds its claims by name. If claims with these names already exist, left behind by an older
#   StatefulSet or by another application of that name, its pods start on the old data, with the old size and class,
#   and nothing reports it. This policy checks a StatefulSet when it is created: it flags existing claims of its
#   replicas whose labels do not match its selector, whose class differs, or which are smaller than the template
#   requests. Claims of the same StatefulSet, deleted with --cascade=orphan, match and pass, unless the size or class
#   was the reason for deleting it. To adopt claims on purpose, set the annotation stategate.io/adopt-claims: "true".
#   The claims are those that stategate last saw, if they are bound to a volume: a claim that is applied together with
#   the StatefulSet is empty, and one that is not bound has no data.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps], operations: [CREATE]}
#   inventory: {PersistentVolumeClaim: optional}
#   audited: false
#   fix: >-
#     Give the StatefulSet another name; or, to use the data of the claims on purpose, annotate
#     stategate.io/adopt-claims: "true".
#   why: claims match by name alone, so pods may start on another application's data or too small a disk
package stategate.storage.statefulset_adopts_existing_claims

violation contains v if {
	not adopts
	some claim in input.workload.claims
	claim.origin == "template"
	some pvc in input.related.pvcs
	pvc.template == claim.name
	not fresh(pvc)
	differences := [text | some text in differs(claim, pvc)]
	count(differences) > 0
	v := {
		"msg": sprintf(
			"claim %s is there already and is taken up with its old data: %s",
			[pvc.name, concat(", ", differences)],
		),
		"path": claim.path,
		"fix": "If the data is meant, annotate stategate.io/adopt-claims: \"true\"; if not, give the StatefulSet another name",
	}
}

# It has no volume yet, and will get an empty one.
fresh(pvc) if {
	not pvc.data_source
	object.get(pvc, "phase", "") in {"", "Pending"}
	object.get(pvc, "volume_name", "") == ""
}

adopts if input.workload.annotations["stategate.io/adopt-claims"] == "true"

differs(claim, pvc) := array.concat(array.concat(of_labels(pvc), of_class(claim, pvc)), of_size(claim, pvc))

# The controller puts the labels of the selector on the claims that it creates for a StatefulSet.
of_labels(pvc) := ["its labels are those of something else"] if {
	some key, value in input.workload.pods.selector.matchLabels
	object.get(pvc.labels, key, "") != value
} else := []

of_class(claim, pvc) := [sprintf("its class is %s", [pvc.storage_class])] if {
	claim.storage_class != ""
	pvc.storage_class != claim.storage_class
} else := []

of_size(claim, pvc) := [text] if {
	max([pvc.size, object.get(pvc, "capacity", 0)]) < claim.size
	text := sprintf("its size is %s", [pvc.size_text])
} else := []
