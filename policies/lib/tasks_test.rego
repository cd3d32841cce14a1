package stategate.lib.tasks_test

import data.stategate.lib.tasks

with_policy(kind, pods) := {"workload": {"kind": kind, "pods": pods}}

test_pods_that_end if {
	every policy in ["Never", "OnFailure"] {
		tasks.ends with input as with_policy("Pod", {"restart_policy": policy})
	}
}

test_others_stay if {
	not tasks.ends with input as with_policy("Pod", {"restart_policy": "Always"})
	not tasks.ends with input as with_policy("Pod", {})
	not tasks.ends with input as with_policy("StatefulSet", {"restart_policy": "Never"})
}
