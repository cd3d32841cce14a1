# METADATA
# title: Topology keys are labels that nodes carry
# description: >-
#   Anti-affinity on a label that no node carries keeps nothing apart and reports no error; a required spread
#   constraint on such a label leaves pods pending. `hostname` instead of `kubernetes.io/hostname` is enough to cause
#   this, and anti-affinity-required leaves that mistake to this policy. Where the cluster's nodes are known, a key
#   must be a label of at least one of them; for well-known keys this holds only for required rules. Otherwise, keys
#   of Kubernetes' own domain and keys without a domain must be well known or allowed; keys of other domains (such as
#   those of clouds or racks) pass. The failure-domain.beta.kubernetes.io labels have been replaced since Kubernetes
#   1.17, and clouds stop setting them.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/labels-annotations-taints/
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
# - ref: https://learn.microsoft.com/en-us/azure/aks/use-labels#deprecated-labels
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {Node: optional}
#   parameters:
#     allowed_keys:
#       type: list
#       of: string
#       default:
#       - kubernetes.io/hostname
#       - topology.kubernetes.io/zone
#       - topology.kubernetes.io/region
#       - node.kubernetes.io/instance-type
#       - kubernetes.io/arch
#       - kubernetes.io/os
#       - "node-role.kubernetes.io/*"
#       description: Node labels (globs) of Kubernetes' own domain, or without a domain, that may be topology keys.
#   fix: >-
#     Use kubernetes.io/hostname for nodes, topology.kubernetes.io/zone for zones, or a label that your nodes carry.
#   why: "Kubernetes accepts any label key here, and reports no error when no node carries it"
package stategate.scheduling.anti_affinity_topology_key_valid

import data.stategate.lib.globs

replaced := {
	"failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
	"failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
	"beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}

violation contains v if {
	some rule in array.concat(input.workload.scheduling.anti_affinity, input.workload.scheduling.spread)
	key := rule.topology_key
	fault := wrong(rule, key)
	v := {
		"msg": sprintf("topologyKey %s %s: %s%s", [key, fault, unless(key), consequence(rule)]),
		"path": array.concat(rule.path, ["topologyKey"]),
		"fix": sprintf("Set topologyKey to %s", [better(key)]),
	}
}

wrong(_, key) := sprintf("is deprecated since Kubernetes 1.17 (now %s), and clouds stop setting it", [replaced[key]])

wrong(rule, key) := "is a label of none of this cluster's nodes" if {
	not replaced[key]
	labels := input.related.nodes.label_keys
	count(labels) > 0
	not key in labels
	not harmless(rule, key)
}

wrong(_, key) := "is no label that Kubernetes gives to nodes" if {
	not replaced[key]
	not input.related.nodes
	ought_to_be_known(key)
	allowed := input.parameters.allowed_keys
	not globs.matches_any(allowed, key)
}

# A soft rule on zones does no harm where there are none; the webhook adds one itself.
harmless(rule, key) if {
	allowed := input.parameters.allowed_keys
	globs.matches_any(allowed, key)
	soft(rule)
}

soft(rule) if rule.when_unsatisfiable == "ScheduleAnyway"

soft(rule) if rule.required == false

# Keys of a custom domain are taken to be known to the user.
ought_to_be_known(key) if not contains(key, "/")

ought_to_be_known(key) if endswith(split(key, "/")[0], "kubernetes.io")

# Of nodes that are not known, some may carry it.
unless(key) := "where nodes lack it, " if {
	replaced[key]
} else := "unless you set it, " if {
	not input.related.nodes
} else := ""

consequence(rule) := "the rule keeps no pods apart" if {
	not rule.max_skew
} else := "pods stay pending, since only nodes with that label may take them" if {
	rule.when_unsatisfiable == "DoNotSchedule"
} else := "the constraint spreads no pods"

better(key) := replaced[key] if {
	replaced[key]
} else := "topology.kubernetes.io/zone" if {
	endswith(key, "zone")
} else := "topology.kubernetes.io/region" if {
	endswith(key, "region")
} else := "kubernetes.io/hostname" if {
	endswith(key, "hostname")
} else := "kubernetes.io/hostname, topology.kubernetes.io/zone or a label that your nodes carry"
