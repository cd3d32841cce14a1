# METADATA
# title: Scheduling rules can be satisfied in this cluster
# description: >-
#   A required rule that cannot be satisfied leaves pods pending: often not on the first day, but when a replica moves
#   and finds no place. Volumes make it worse, since a pod must run in the zone of its volume. This policy checks
#   rules against the cluster's nodes, the claims' volumes and their storage classes, as far as they are known. It
#   flags required anti-affinity with more replicas than nodes or zones, a spread constraint whose minDomains exceeds
#   the nodes or zones there are, so that not all replicas fit, pods that fit no node, and volumes and storage classes
#   in zones that the pods may not run in. Nodes that are cordoned, or whose taints the pods do not tolerate, do not
#   count. Where nodes are added on demand, set assume_autoscaler: then only the zones of volumes and classes are
#   checked.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
# - ref: https://kubernetes.io/docs/setup/best-practices/multiple-zones/#storage-access-for-zones
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], subresources: ["", scale]}
#   inventory:
#     Node: optional
#     StorageClass.storage.k8s.io: optional
#     PersistentVolumeClaim: optional
#     PersistentVolume: optional
#   parameters:
#     assume_autoscaler:
#       type: boolean
#       default: false
#       description: Nodes are added on demand, so do not check against their number.
#   fix: Add nodes, or turn the required rule into a preference.
#   why: "the scheduler leaves a pod Pending for as long as no node satisfies every required rule"
package stategate.scheduling.topology_feasible

zone := "topology.kubernetes.io/zone"

violation contains v if {
	some term in input.workload.scheduling.anti_affinity
	term.required
	term.matches_self
	[places, what] := domains(term.topology_key)
	places > 0
	input.workload.replicas > places
	v := {
		"msg": sprintf(
			"%s %s needs %d %s for its replicas, but only %d fit (left pending: %d)",
			[
				input.workload.kind, input.workload.name, input.workload.replicas, what,
				places, input.workload.replicas - places,
			],
		),
		"path": term.path,
	}
}

# With fewer domains than minDomains, each domain takes at most maxSkew pods.
violation contains v if {
	some constraint in input.workload.scheduling.spread
	constraint.matches_self
	constraint.when_unsatisfiable == "DoNotSchedule"
	[places, what] := domains(constraint.topology_key)
	places > 0
	constraint.min_domains > places
	room := places * constraint.max_skew
	input.workload.replicas > room
	v := {
		"msg": sprintf(
			"the spread constraint of %s %s wants %d %s, but there are %d: only %d of %d replicas find a place",
			[
				input.workload.kind, input.workload.name, constraint.min_domains, what,
				places, room, input.workload.replicas,
			],
		),
		"path": constraint.path,
		"fix": sprintf("Set minDomains to %d or less", [places]),
	}
}

violation contains v if {
	counted
	input.related.nodes.count > 0
	input.related.nodes.matching == 0
	v := {
		"msg": sprintf(
			"no node of this cluster fits the nodeSelector, node affinity and tolerations of %s %s: its pods stay pending",
			[input.workload.kind, input.workload.name],
		),
		"path": input.workload.pods.spec_path,
		"fix": "Compare them with the labels and taints of the nodes (kubectl get nodes --show-labels)",
	}
}

violation contains v if {
	some volume in input.related.pvs
	out_of_reach(volume.zones)
	v := {
		"msg": sprintf(
			"PersistentVolume %s is in %s, where the pods of %s %s may not run: they cannot mount it",
			[volume.name, concat(", ", volume.zones), input.workload.kind, input.workload.name],
		),
		"path": input.workload.pods.spec_path,
		"key": volume.name,
		"fix": sprintf(
			"Let nodeSelector and node affinity admit %s %s; to move, restore a snapshot into a volume of the other zone",
			[zone, concat(", ", volume.zones)],
		),
	}
}

violation contains v if {
	some claim in input.workload.claims
	class := input.related.claim_classes[claim.name]
	zones := [value |
		some topology in class.allowed_topologies
		endswith(topology.key, "/zone")
		some value in topology.values
	]
	out_of_reach(zones)
	v := {
		"msg": sprintf(
			"StorageClass %s of claim %s makes volumes in %s only, where the pods may not run",
			[class.name, claim.name, concat(", ", zones)],
		),
		"path": claim.path,
		"fix": sprintf("Use a class for the zones that the pods run in, or let them run in %s", [concat(", ", zones)]),
	}
}

counted if not input.parameters.assume_autoscaler

domains("kubernetes.io/hostname") := [input.related.nodes.matching, "nodes"] if counted

domains("topology.kubernetes.io/zone") := [count(input.related.nodes.zones), "zones"] if counted

out_of_reach(zones) if {
	count(zones) > 0
	every one in zones {
		not admitted(one)
	}
}

admitted(one) if {
	object.get(input.workload.scheduling.node_selector, zone, one) == one
	by_affinity(one)
}

by_affinity(_) if count(input.workload.scheduling.node_affinity) == 0

by_affinity(one) if {
	some term in input.workload.scheduling.node_affinity
	every expression in term.expressions {
		admits(expression, one)
	}
}

admits(expression, _) if expression.key != zone

admits(expression, one) if {
	expression.operator == "In"
	one in expression.values
}

admits(expression, one) if {
	expression.operator == "NotIn"
	values := expression.values
	not one in values
}

admits(expression, _) if expression.operator == "Exists"
