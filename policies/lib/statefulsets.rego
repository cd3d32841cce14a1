# How to change a StatefulSet's immutable fields.
package stategate.lib.statefulsets

# Pods and claims stay; the StatefulSet that is applied next adopts them.
orphan := sprintf(
	"kubectl delete statefulset %s -n %s --cascade=orphan",
	[input.workload.name, input.workload.namespace],
)

restart := sprintf("kubectl rollout restart statefulset %s -n %s", [input.workload.name, input.workload.namespace])
