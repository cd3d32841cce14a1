# Pods that do a task and end: a client, a copy, a restore by hand. Nothing waits for them, and they keep no data.
package stategate.lib.tasks

# The view does not have it.
ends if {
	input.workload.kind == "Pod"
	input.review.object.spec.restartPolicy in {"Never", "OnFailure"}
}
