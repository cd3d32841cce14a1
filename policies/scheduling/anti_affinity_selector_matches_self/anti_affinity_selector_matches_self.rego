# METADATA
# title: Rules that keep replicas apart select the workload's own pods
# description: >-
#   A misspelt label in a labelSelector turns anti-affinity or a spread constraint into nothing, without any error:
#   the manifest looks right, the pods start, and one node's failure takes several replicas. This policy checks
#   workloads with two replicas or more. A podAntiAffinity term may well be meant for the pods of another workload; it
#   is a violation only if no other rule selects the workload's own pods (a soft spread constraint on another key does
#   not count as such a rule). A topologySpreadConstraint must always select the workload's own pods, since those are
#   the pods it counts. Workloads without any such rule are left to anti-affinity-required and topology-spread-zone,
#   which in turn do not report the rules that this policy flags. For a namespaceSelector, only the namespace's name
#   is known.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     min_replicas: {type: integer, default: 2, description: Workloads with fewer replicas are not checked.}
#   fix: Give the rule the labelSelector of the workload itself (its spec.selector).
#   why: "the pods start without an error, and one node or zone failure can take several replicas"
package stategate.scheduling.anti_affinity_selector_matches_self

import data.stategate.lib.placement

violation contains v if {
	input.workload.replicas >= input.parameters.min_replicas
	some term in input.workload.scheduling.anti_affinity
	placement.mistaken(term)
	v := {
		"msg": sprintf(
			"podAntiAffinity on %s does not select the pods of %s %s itself, so it does not keep its replicas apart",
			[term.topology_key, input.workload.kind, input.workload.name],
		),
		"path": term.path,
		"fix": sprintf("%s; if it is meant for other pods, add a second term that selects its own", [remedy]),
	}
}

violation contains v if {
	input.workload.replicas >= input.parameters.min_replicas
	some constraint in input.workload.scheduling.spread
	placement.mistaken(constraint)
	v := {
		"msg": sprintf(
			"the spread constraint on %s does not select the pods of %s %s itself, so it does not spread its replicas",
			[constraint.topology_key, input.workload.kind, input.workload.name],
		),
		"path": constraint.path,
		"fix": remedy,
	}
}

remedy := text if {
	labels := input.workload.pods.selector.matchLabels
	text := sprintf("Set its labelSelector to {matchLabels: %s}", [json.marshal(labels)])
} else := "Give it a labelSelector that the labels of the pod template fit"
