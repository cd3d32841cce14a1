package stategate.lib.tasks_test

import data.stategate.lib.tasks

with_policy(kind, spec) := {"workload": {"kind": kind}, "review": {"object": {"spec": spec}}}

test_pods_that_end if {
	every policy in ["Never", "OnFailure"] {
		tasks.ends with input as with_policy("Pod", {"restartPolicy": policy})
	}
}

test_others_stay if {
	not tasks.ends with input as with_policy("Pod", {"restartPolicy": "Always"})
	not tasks.ends with input as with_policy("Pod", {})
	not tasks.ends with input as with_policy("StatefulSet", {"restartPolicy": "Never"})
}
