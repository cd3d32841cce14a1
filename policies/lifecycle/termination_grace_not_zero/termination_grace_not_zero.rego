# METADATA
# title: Pods with volumes are never force-deleted by their own spec
# description: >-
#   terminationGracePeriodSeconds 0 is not a quick stop. It makes every deletion a forced one: the API server drops
#   the pod at once, without waiting for the kubelet to say that its processes have ended. A StatefulSet then starts
#   the pod again under the same name, possibly on another node, while the first one still writes to the volume; two
#   members with one identity are a split brain, and two servers on one data directory corrupt it. With 1 second, the
#   pod stays in the API until it has really stopped. This policy checks pods that write to a volume that outlives
#   them, whatever runs in them. Deployments of several pods without a data store share their volume anyway and are
#   left to termination-grace-period, which also says how long a shutdown takes. Pods that run already keep the period
#   they were started with, even for the rollout that corrects it: the fix says how to end them properly.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/force-delete-stateful-set-pod/
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees
# custom:
#   severity: critical
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, ReplicaSet.apps, ReplicationController, DaemonSet.apps, Pod]
#   fix: >-
#     Set terminationGracePeriodSeconds to what a shutdown takes, 1 at the very least; delete pods that run already
#     with --grace-period=60.
#   why: "two pods with one identity write to one volume, at any eviction, rollout or node failure"
package stategate.lifecycle.termination_grace_not_zero

import data.stategate.lib.grace

violation contains v if {
	grace.forced
	v := {
		"msg": sprintf(
			"terminationGracePeriodSeconds 0 force-deletes every pod of %s %s: its successor can write to the volume beside it",
			[input.workload.kind, input.workload.name],
		),
		"path": array.concat(input.workload.pods.spec_path, ["terminationGracePeriodSeconds"]),
		"fix": sprintf("Set terminationGracePeriodSeconds: 60 in the pod's spec%s", [running]),
	}
}

# What deletes the old pods during the rollout is still their own zero.
running := concat(" ", [
	"; if it runs already, set updateStrategy: {type: OnDelete} with it",
	"and then delete one pod after the other with kubectl delete pod --grace-period=60",
]) if {
	input.workload.kind in {"StatefulSet", "DaemonSet"}
} else := "; if it runs already, scale it to 0 first and wait a minute, until its processes have ended" if {
	input.workload.kind != "Pod"
} else := ""
