package stategate.lib.statefulsets_test

import data.stategate.lib.statefulsets

# Another namespace may hold a StatefulSet of the same name.
test_commands_name_the_namespace if {
	pg := {"workload": {"name": "pg", "namespace": "shop"}}
	statefulsets.orphan == "kubectl delete statefulset pg -n shop --cascade=orphan" with input as pg
	statefulsets.restart == "kubectl rollout restart statefulset pg -n shop" with input as pg
}
