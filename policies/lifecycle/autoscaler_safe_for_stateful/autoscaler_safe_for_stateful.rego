# METADATA
# title: Autoscalers respect the needs of a data store
# description: >-
#   An autoscaler sees load, not data. Left to its defaults it may remove all members but the last in one step,
#   whether or not they hold the only copies, and a vertical autoscaler evicts the primary whenever its recommendation
#   changes. This policy checks an autoscaler when it is submitted, and the workload that it scales. The autoscaler
#   must not go below three members of a quorum, nor to zero. If all replicas of a known data store hold data of their
#   own, it may remove one pod per step; and it must not evict pods of a store that has a single primary. Read
#   replicas of such stores may be added and removed freely. The autoscaler and the workload may be submitted in
#   either order; if they are checked together, the finding is reported on the autoscaler. Autoscalers of stateless
#   workloads are not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#scaling-policies
# - ref: https://keda.sh/docs/latest/reference/scaledobject-spec/
# - ref: https://github.com/kubernetes/autoscaler/blob/master/vertical-pod-autoscaler/docs/quickstart.md
# custom:
#   severity: high
#   action: warn
#   match:
#     kinds:
#     - HorizontalPodAutoscaler.autoscaling
#     - ScaledObject.keda.sh
#     - VerticalPodAutoscaler.autoscaling.k8s.io
#     - StatefulSet.apps
#     - Deployment.apps
#   inventory:
#     StatefulSet.apps: bundle
#     Deployment.apps: bundle
#     HorizontalPodAutoscaler.autoscaling: bundle
#     ScaledObject.keda.sh: optional
#     VerticalPodAutoscaler.autoscaling.k8s.io: optional
#   parameters:
#     min_members:
#       type: integer
#       default: 3
#       description: The fewest members allowed for a data store with a quorum.
#     single_primary:
#       type: list
#       of: string
#       default: [postgres, mysql, redis, mongodb]
#       description: Data stores whose replicas follow one primary.
#   fix: >-
#     Keep the autoscaler's minimum above the quorum and its scale-down slow, or remove it and size the data store by
#     hand.
#   why: "an autoscaler sees load, not which pods hold a vote, a copy of the data or the primary role"
package stategate.lifecycle.autoscaler_safe_for_stateful

violation contains v if {
	some [scaler, target, place] in pairs
	fewest := least(target)
	scaler.min < fewest
	v := {
		"msg": sprintf(
			"%s %s may scale %s %s down to %d: it needs at least %d",
			[scaler.kind, scaler.name, target.kind, target.name, scaler.min, fewest],
		),
		"path": place,
		"key": concat("/", [scaler.kind, scaler.name, "min"]),
		"fix": minimum(scaler, target, fewest),
	}
}

violation contains v if {
	some [scaler, target, place] in pairs
	most := scaler.scale_down_pods
	most > 1
	engine := target.engine.name
	with_primary := input.parameters.single_primary
	not engine in with_primary
	v := {
		"msg": sprintf(
			"%s %s may remove %d pods of %s %s in one step, and with them all copies that they hold",
			[scaler.kind, scaler.name, most, target.kind, target.name],
		),
		"path": place,
		"key": concat("/", [scaler.kind, scaler.name, "step"]),
		"fix": sprintf(
			"Remove %s %s and scale by hand: members hand over first; at the very least set %s to %s",
			[scaler.kind, scaler.name, behavior(scaler.kind), "{policies: [{type: Pods, value: 1, periodSeconds: 600}]}"],
		),
	}
}

violation contains v if {
	some [scaler, target, place] in pairs
	when := evicts[scaler.mode]
	engine := target.engine.name
	engine in input.parameters.single_primary
	v := {
		"msg": sprintf(
			"%s %s (%s) evicts pods of %s %s %s, the primary among them",
			[scaler.kind, scaler.name, scaler.mode, target.kind, target.name, when],
		),
		"path": place,
		"key": concat("/", [scaler.kind, scaler.name, "mode"]),
		"fix": sprintf("Set spec.updatePolicy.updateMode of %s %s to Initial or \"Off\"", [scaler.kind, scaler.name]),
	}
}

# The autoscaler under review with its targets, or the workload under review with its autoscalers.
pairs := array.concat(
	[[scaler, target, input.workload.autoscaler.path] |
		some target in input.related.workloads
		target.class == "durable"
		scaler := object.union(input.workload.autoscaler, {"kind": input.workload.kind, "name": input.workload.name})
	],
	[[scaler, input.workload, ["spec", "replicas"]] |
		some scaler in input.related.autoscalers
		not scaler.reviewed # reported on the autoscaler itself
	],
)

evicts := {
	"Auto": "whenever its recommendation moves",
	"Recreate": "whenever its recommendation moves",
	"InPlaceOrRecreate": "that it cannot resize in place",
}

# A minimum above the members that there are would add some, and nothing joins them.
minimum(scaler, target, fewest) := sprintf(
	"Set %s of %s %s to the %d members that it has; or remove %s, and size %s by hand",
	[field(scaler.kind), scaler.kind, scaler.name, target.replicas, scaler.name, target.name],
) if {
	target.replicas >= fewest
} else := sprintf(
	"Remove %s %s and size %s by hand: members join and leave by commands of the store",
	[scaler.kind, scaler.name, target.name],
) if {
	target.engine.votes
} else := sprintf("Set %s of %s %s to %d or more", [field(scaler.kind), scaler.kind, scaler.name, fewest])

least(target) := input.parameters.min_members if {
	target.engine.votes
} else := 1

field(kind) := "spec.minReplicaCount" if {
	kind == "ScaledObject"
} else := "spec.minReplicas"

behavior(kind) := "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown" if {
	kind == "ScaledObject"
} else := "spec.behavior.scaleDown"
