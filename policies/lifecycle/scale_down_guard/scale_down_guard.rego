# METADATA
# title: StatefulSets shrink one member at a time and keep their majority
# description: >-
#   A member that is scaled away takes its share of the data with it. If members go one at a time, the others can take
#   over what each of them held; two at once may be all the copies there are, and below a majority the rest stops.
#   This policy flags a step larger than max_step; where the engine votes, a step below three members or below the
#   majority of the previous members; any step where nothing joins the replicas, so that each has data of its own; and
#   any step if the StatefulSet deletes the claims of pods it scales away (whenScaled: Delete). Whether a member was
#   removed from the store first is not visible; the fix says how that is done. An autoscaler passes where no known data
#   store runs and claims are kept. Scaling to zero is checked by scale-to-zero-guard. For the scale subresource, the
#   annotation is read from the StatefulSet itself.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/scale-stateful-set/
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
# - ref: https://etcd.io/docs/v3.6/op-guide/runtime-configuration/
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [StatefulSet.apps]
#     operations: [UPDATE]
#     subresources: ["", scale]
#   ratchet: false
#   inventory: {PersistentVolumeClaim: optional, PersistentVolume: optional}
#   parameters:
#     max_step: {type: integer, default: 1, description: How many members may be removed at once.}
#     min_members:
#       type: integer
#       default: 3
#       description: The fewest members that an engine that votes may be left with.
#     autoscalers:
#       type: list
#       of: string
#       default:
#       - system:serviceaccount:kube-system:horizontal-pod-autoscaler
#       - system:serviceaccount:keda:keda-operator
#       description: Users (globs) that scale by load.
#   fix: >-
#     Remove the member with the highest number from the store, then scale down by one. To proceed anyway, snapshot the
#     volumes of the pods that go, then: kubectl annotate statefulset NAME --overwrite
#     stategate.io/confirm-scale='OLD->NEW'
#   why: "a member removed before the others have taken over its data may hold the last copy"
package stategate.lifecycle.scale_down_guard

import data.stategate.lib.confirm
import data.stategate.lib.dumps
import data.stategate.lib.globs
import data.stategate.lib.members
import data.stategate.lib.pod_data

confirmation := "stategate.io/confirm-scale"

violation contains v if {
	input.workload.replicas > 0
	gone > 0
	what := danger
	why := confirm.missing(input.workload, confirmation, step)
	v := {
		"msg": sprintf("scaling %s %s: %s, and %s", [input.workload.name, step, what, why]),
		"path": ["spec", "replicas"],
		"fix": sprintf(
			"One at a time: %s, then scale down by one%s. %s; to go on nevertheless, %s: %s",
			[leaving, members.afterwards, stake, first, confirm.command("statefulset", input.workload, confirmation, step)],
		),
	}
}

first := "save it first, then" if pod_data.places else := "snapshot their volumes, then"

leaving := sprintf(
	"save the data of %s, which the others lack (%s)",
	[last, dumps.save_pod(last)],
) if {
	members.separate
} else := members.leaving(input.workload.engine.name) if {
	input.workload.engine
} else := "move what the pod with the highest number holds to the others"

last := sprintf("%s-%d", [input.workload.name, (first_ordinal + input.old_workload.replicas) - 1])

default first_ordinal := 0

first_ordinal := input.review.object.spec.ordinals.start

# What becomes of the disks, or of what is in the pods.
stake := sprintf("What those pods hold is lost: it is in %s", [pod_data.places]) if {
	pod_data.places
} else := "The claims of the pods that go stay" if {
	object.get(input.workload, ["retention", "when_scaled"], "Retain") == "Retain"
} else := "The disks of the pods that go are erased (reclaim policy Delete)" if {
	"Delete" in reclaimed
} else := "The claims of the pods that go are deleted; their disks stay (reclaim policy Retain)" if {
	reclaimed == {"Retain"}
} else := "The disks of the pods that go are erased, unless their reclaim policy is Retain"

reclaimed contains policy if {
	some claim in input.related.pvcs
	claim.ordinal >= input.workload.replicas
	some volume in input.related.pvs
	volume.name == claim.volume_name
	policy := volume.reclaim_policy
}

gone := input.old_workload.replicas - input.workload.replicas

step := sprintf("%d->%d", [input.old_workload.replicas, input.workload.replicas])

danger := "the volumes of the pods that go are deleted (whenScaled: Delete)" if {
	input.workload.retention.when_scaled == "Delete"
} else := "each replica has data that the others lack, since nothing joins them" if {
	input.workload.engine
	members.separate
} else := sprintf("%d of %d members are no majority", [input.workload.replicas, input.old_workload.replicas]) if {
	input.workload.engine.votes
	input.workload.replicas < majority
} else := sprintf("with fewer than %d members, the loss of one stops it", [fewest]) if {
	input.workload.engine.votes
	input.workload.replicas < fewest
} else := sprintf("%d members go at once, with what they hold", [gone]) if {
	gone > input.parameters.max_step
	not scaled_by_load
}

majority := floor(input.old_workload.replicas / 2) + 1

fewest := max([input.parameters.min_members, majority])

# Pods with a claim that are not a known data store are often plain workers.
scaled_by_load if {
	not input.workload.engine
	globs.matches_any(input.parameters.autoscalers, input.review.userInfo.username)
}
