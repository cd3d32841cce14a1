# Pods that do a task and end: a client, a copy, a restore by hand. Nothing waits for them, and they keep no data.
package stategate.lib.tasks

ends if {
	input.workload.kind == "Pod"
	input.workload.pods.restart_policy in {"Never", "OnFailure"}
}
