# METADATA
# title: A disruption budget covers the workload
# description: >-
#   Whoever drains a node asks the disruption budgets before pods are evicted. Without one, an upgrade of the nodes or
#   an autoscaler that packs them may take all replicas at once.
#   Judged are workloads with two replicas or more. The budget usually comes after its workload, so at admission this
#   only warns; among the manifests of one run it must be there.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
# custom:
#   severity: high
#   action: deny
#   atAdmission: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {PodDisruptionBudget.policy: bundle}
#   parameters:
#     min_replicas: {type: integer, default: 2, description: Workloads with fewer replicas are left alone.}
#   fix: "Add a PodDisruptionBudget with maxUnavailable: 1 and the workload's own selector."
package stategate.availability.pdb_present

violation contains v if {
	input.workload.replicas >= input.parameters.min_replicas
	count(input.related.pdbs) == 0
	v := {
		"msg": sprintf(
			"no PodDisruptionBudget selects the pods of %s %s: draining nodes may evict all %d at once",
			[input.workload.kind, input.workload.name, input.workload.replicas],
		),
		"path": [],
		"fix": remedy,
	}
}

remedy := sprintf(
	"kubectl create poddisruptionbudget %s --namespace=%s --selector=%s --max-unavailable=1",
	[input.workload.name, input.workload.namespace, labels],
) if {
	count(input.workload.pods.selector.matchLabels) > 0
	labels := concat(",", [sprintf("%s=%s", [key, value]) | some key, value in input.workload.pods.selector.matchLabels])
} else := "Add a PodDisruptionBudget with maxUnavailable: 1 and the workload's own selector"
