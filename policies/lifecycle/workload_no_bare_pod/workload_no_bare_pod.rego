# METADATA
# title: Pods with data have a controller
# description: >-
#   A pod without a controller is lost with its node: nothing recreates it, and its data sits in a claim that no pod
#   mounts. It also keeps the claim in use, so that another pod cannot take it over. This policy checks, at creation,
#   pods without an owner that write to a claim (not only logs, caches or the files of a web server) or run a data
#   store. A pod that runs to completion (restartPolicy Never or OnFailure), such as a copy or a restore, passes, unless
#   what it runs is a data store and nothing else. Of most data stores, workload-engine-needs-statefulset says the same.
#   An owner that a file names does not count: it did not make what is made from the file.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/#working-with-pods
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [Pod], operations: [CREATE]}
#   fix: >-
#     Make it a StatefulSet with replicas: 1 that mounts the same claims (those of volumeClaimTemplates are empty); for
#     a task that ends, a Job, or set restartPolicy: Never.
#   why: "an evicted or preempted pod without a controller is never recreated either"
package stategate.lifecycle.workload_no_bare_pod

import data.stategate.lib.kept_data

violation contains v if {
	not input.workload.owner
	kept_data.kept
	not told_of_its_data_store
	v := {
		"msg": sprintf("pod %s has no controller: when its node fails, nothing brings it back", [input.workload.name]),
		"path": ["spec"],
	}
}

# One cause, one finding: these may run as any kind of controller, so that policy leaves them out.
told_of_its_data_store if {
	name := input.workload.engine.name
	not name in {"prometheus", "loki", "tempo"}
}
