# METADATA
# title: A quota limits the namespace's storage
# description: >-
#   Without a quota, a loop that creates claims, or a size with one zero too many, takes as much storage as there is: on
#   a shared backend no database in any namespace can grow then, and disks of a cloud cost money until the account's own
#   limit. How much a namespace may use is decided by those who share the cluster out, not by each claim's author, so
#   only the profile regulated asks for it. This policy checks claims, and StatefulSets with claim
#   templates, where the namespace and its quotas are known: a manifest that names no namespace passes,
#   and so does a file for the namespace default, which charts are rendered for. Any
#   ResourceQuota that limits storage counts: by requests.storage, by persistentvolumeclaims, or by storage class.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/policy/resource-quotas/#storage-resource-quota
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps]}
#   inventory: {ResourceQuota: optional}
#   fix: Add a ResourceQuota with requests.storage to the namespace.
#   why: "one runaway loop or one zero too many can take all the storage, or its price"
package stategate.capacity.namespace_storage_quota

import data.stategate.lib.quotas

violation contains v if {
	asks_for_storage
	# A file that names none goes to whichever namespace is chosen when it is applied.
	input.review.object.metadata.namespace
	not assumed
	limits := [key |
		some quota in input.related.quotas
		some key, _ in quota.hard
		quotas.limits_storage(key)
	]
	input.related.quotas
	count(limits) == 0
	v := {
		"msg": sprintf(
			"no ResourceQuota of namespace %s limits storage: its claims may take all that there is",
			[input.workload.namespace],
		),
		"path": [],
		"fix": sprintf(
			"kubectl create quota storage --namespace=%s --hard=requests.storage=500Gi (what the namespace may use)",
			[input.workload.namespace],
		),
	}
}

# Charts are rendered for the namespace default, wherever they are installed.
assumed if {
	input.workload.namespace == "default"
	input.review.uid == ""
}

asks_for_storage if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
}
