# How to change of a StatefulSet what it does not let be changed.
package stategate.lib.statefulsets

# Pods and claims stay; what is applied next takes them up again.
orphan := sprintf(
	"kubectl delete statefulset %s -n %s --cascade=orphan",
	[input.workload.name, input.workload.namespace],
)

restart := sprintf("kubectl rollout restart statefulset %s -n %s", [input.workload.name, input.workload.namespace])
