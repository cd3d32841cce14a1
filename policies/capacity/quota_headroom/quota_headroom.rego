# METADATA
# title: The claims of all replicas fit within the quota
# description: >-
#   A StatefulSet whose claims exceed the quota is accepted. Its first replicas start, and the next one waits for a
#   claim that is refused again and again, which only the StatefulSet's events show: half a cluster that never forms a
#   quorum. This policy compares what the claims that do not exist yet need, by size and by number, with what the
#   quotas of the namespace have left, where both are known. The API server itself refuses a single claim that exceeds
#   the quota.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/policy/resource-quotas/#storage-resource-quota
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps], subresources: ["", scale]}
#   inventory: {ResourceQuota: optional, PersistentVolumeClaim: optional, StorageClass.storage.k8s.io: optional}
#   fix: Raise the quota, request less storage, or run fewer replicas.
#   why: "the API server accepts the StatefulSet anyway, and only its events show the refused claims"
package stategate.capacity.quota_headroom

import data.stategate.lib.quotas

violation contains v if {
	input.related.pvcs
	some quota in input.related.quotas
	some key, hard in quota.hard
	quotas.limits_storage(key)
	left := max([0, hard - object.get(quota.used, key, 0)])
	needed := need(key)
	needed > left
	v := {
		"msg": sprintf(
			"StatefulSet %s needs %s of %s, but ResourceQuota %s has %s left: its last replicas get no claim and never start",
			[input.workload.name, text(key, needed), key, quota.name, text(key, left)],
		),
		"path": ["spec", "replicas"],
		"key": concat("/", [quota.name, key]),
		"fix": sprintf(
			"Raise %s of ResourceQuota %s by %s, or ask for less",
			[key, quota.name, text(key, needed - left)],
		),
	}
}

# The claims that the key counts and that do not exist yet.
need(key) := sum([amount(key, claim) |
	some claim in input.workload.claims
	claim.origin == "template"
	counts(key, claim)
])

amount(key, claim) := missing(claim) if {
	endswith(key, "persistentvolumeclaims")
} else := missing(claim) * object.get(claim, "size", 0)

missing(claim) := max([0, input.workload.replicas - made]) if {
	made := count([pvc | some pvc in input.related.pvcs; pvc.template == claim.name])
}

counts(key, _) if not contains(key, quotas.of_class)

counts(key, claim) if split(key, quotas.of_class)[0] == class_of(claim)

class_of(claim) := claim.storage_class if {
	claim.storage_class != ""
} else := input.related.claim_classes[claim.name].name

text(key, number) := sprintf("%v claims", [number]) if {
	endswith(key, "persistentvolumeclaims")
} else := sprintf("%v GiB", [round((number * 10) / 1073741824) / 10])
