# METADATA
# title: Pods with data have a controller
# description: >-
#   A pod that nobody manages is gone with its node: nothing makes it anew, and its data sits in a claim that nobody
#   mounts. It also keeps the claim in use, so that another pod cannot take it over.
#   Judged is a Pod without owner that writes to a claim or runs a data store, when it is made. A pod that is to end
#   (restartPolicy Never or OnFailure), such as a copy or a restore, passes.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/#working-with-pods
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [Pod], operations: [CREATE]}
#   fix: "Make it a StatefulSet; for a task that ends, a Job, or set restartPolicy: Never."
package stategate.lifecycle.workload_no_bare_pod

violation contains v if {
	not input.workload.owner
	v := {
		"msg": sprintf("pod %s has no controller: when its node fails, nothing brings it back", [input.workload.name]),
		"path": ["spec"],
	}
}
