# METADATA
# title: Replicas run on different nodes
# description: >-
#   Replicas that share a node fail together, and with them the quorum or the standby that should take over. Without
#   anti-affinity the scheduler only tends to spread pods, and a drain at night undoes that. By default a preference
#   is enough, and the webhook adds one where there is no anti-affinity at all. With require_hard the rule must be
#   required: then no node may run two replicas, and with fewer nodes than replicas some stay pending. Rules that do
#   not select the workload's own pods do not count; where such a rule is a mistake,
#   anti-affinity-selector-matches-self reports it instead of this policy. A required rule by any other label of nodes,
#   such as a zone or a rack, keeps the replicas apart as well, as long as nodes carry the label: where the cluster's
#   nodes are known, one of them must. A key mistyped for kubernetes.io/hostname (`hostname`) is left to
#   anti-affinity-topology-key-valid.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {Node: optional}
#   parameters:
#     require_hard: {type: boolean, default: false, description: "Count only rules that the scheduler must obey."}
#     min_replicas: {type: integer, default: 2, description: Workloads with fewer replicas are not checked.}
#     hostname_keys:
#       type: list
#       of: string
#       default: [kubernetes.io/hostname]
#       description: Node labels that identify a node.
#   fix: >-
#     Add affinity.podAntiAffinity to the pod's spec, with topologyKey kubernetes.io/hostname and the labelSelector of
#     the workload itself.
#   why: "one node failure can then take the quorum, or the primary together with its standby"
package stategate.scheduling.anti_affinity_required

import data.stategate.lib.placement

violation contains v if {
	input.workload.replicas >= input.parameters.min_replicas
	not apart
	not mistaken
	v := {
		"msg": sprintf(
			"several of the %d replicas of %s %s may share a node and fail with it",
			[input.workload.replicas, input.workload.kind, input.workload.name],
		),
		"path": input.workload.pods.spec_path,
		"fix": sprintf(
			"Add affinity.podAntiAffinity.%s: topologyKey kubernetes.io/hostname, labelSelector of its own pods",
			[strength],
		),
	}
}

# Leaves existing rules unchanged.
patch contains p if {
	input.workload.replicas >= input.parameters.min_replicas
	not apart
	count(input.workload.scheduling.anti_affinity) == 0
	own_pods := input.workload.pods.selector
	list := ["affinity", "podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution"]
	term := {"topologyKey": "kubernetes.io/hostname", "labelSelector": own_pods}
	p := {
		"op": "add",
		"path": array.concat(input.workload.pods.spec_path, list),
		"value": [{"weight": 100, "podAffinityTerm": term}],
	}
}

apart if hard

apart if {
	not input.parameters.require_hard
	preferred
}

hard if {
	some term in input.workload.scheduling.anti_affinity
	term.matches_self
	term.required
	tells_nodes_apart(term.topology_key)
}

hard if {
	some spread in input.workload.scheduling.spread
	spread.matches_self
	spread.when_unsatisfiable == "DoNotSchedule"
	spread.max_skew == 1
	spread.topology_key in input.parameters.hostname_keys
}

preferred if {
	some rule in array.concat(input.workload.scheduling.anti_affinity, input.workload.scheduling.spread)
	rule.matches_self
	rule.topology_key in input.parameters.hostname_keys
}

# A rule meant to keep replicas apart selects other pods.
mistaken if {
	some rule in array.concat(input.workload.scheduling.anti_affinity, input.workload.scheduling.spread)
	rule.topology_key in input.parameters.hostname_keys
	placement.mistaken(rule)
}

# A rule meant to keep replicas apart has a key that no node carries.
mistaken if {
	some rule in array.concat(input.workload.scheduling.anti_affinity, input.workload.scheduling.spread)
	rule.matches_self
	known := input.parameters.hostname_keys
	not rule.topology_key in known
	slip(rule.topology_key)
}

# `hostname` and similar mistypings of kubernetes.io/hostname.
slip(key) if lower(key) in {"hostname", "kubernetes.io/hostname"}

slip(key) if endswith(key, ".kubernetes.io/hostname")

tells_nodes_apart(key) if key in input.parameters.hostname_keys

# Nodes in different zones or racks are different nodes. The roles of nodes are labels that most nodes lack.
tells_nodes_apart(key) if {
	not startswith(key, "node-role.kubernetes.io/")
	not misspelt(key)
	not carried_by_none(key)
}

# kubernets.io/hostname
misspelt(key) if {
	regex.match(`(^|\.)k[a-z0-9-]{3,12}\.io/`, key)
	not regex.match(`(^|\.)(kubernetes|k8s|karpenter|kubevirt|kubeedge|kubesphere)\.io/`, key)
}

carried_by_none(key) if {
	labels := input.related.nodes.label_keys
	count(labels) > 0
	not key in labels
}

strength := "requiredDuringSchedulingIgnoredDuringExecution" if {
	input.parameters.require_hard
} else := "preferredDuringSchedulingIgnoredDuringExecution"
