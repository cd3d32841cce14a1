# METADATA
# title: Each pod has one disruption budget, and each budget selects pods
# description: >-
#   Pods that two budgets select cannot be evicted at all: the eviction API returns an error, and drains hang. A
#   budget that selects nothing protects nothing, although it looks as if it did. A budget that selects every pod of a
#   namespace with several workloads counts the web front end and the database together. Charts apply the budget
#   before its workload, so at admission this is only audited. Pods that an operator creates from a custom resource,
#   or Flux or Argo CD from a HelmRelease or an Application, do not appear in manifests: if the run has such an object
#   for the namespace (of any kind but inert_kinds), it is not known whether a budget selects nothing. Nor is it if a
#   document cannot be read that may be the workload, or if the run has no workload at all for the namespace, or of a
#   chart's budget for one component, whose workload the values may leave out. A budget
#   that selects by one of operator_labels passes, too, and so does one that selects by the role of a member, which the
#   member receives at run time.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/configure-pdb/#arbitrary-controllers-and-selectors
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
# custom:
#   severity: medium
#   action: warn
#   atAdmission: audit
#   match: {kinds: [PodDisruptionBudget.policy, StatefulSet.apps, Deployment.apps]}
#   inventory: {PodDisruptionBudget.policy: bundle, StatefulSet.apps: bundle, Deployment.apps: bundle, DaemonSet.apps: bundle}
#   parameters:
#     operator_labels:
#       type: list
#       of: string
#       default:
#       - "cnpg.io/*"
#       - "strimzi.io/*"
#       - "*.k8s.elastic.co/*"
#       - "postgres-operator.crunchydata.com/*"
#       - "cassandra.datastax.com/*"
#       - "clickhouse.altinity.com/*"
#       - "patroni.io/role"
#       - role
#       - spilo-role
#       description: >-
#         Labels (globs) of pods that an operator creates from a custom resource, or that members receive at run time.
#     inert_kinds:
#       type: list
#       of: string
#       default:
#       - "*.cert-manager.io"
#       - "*.external-secrets.io"
#       - SealedSecret.bitnami.com
#       - ServiceMonitor.monitoring.coreos.com
#       - PodMonitor.monitoring.coreos.com
#       - PrometheusRule.monitoring.coreos.com
#       - Probe.monitoring.coreos.com
#       - ScrapeConfig.monitoring.coreos.com
#       - AlertmanagerConfig.monitoring.coreos.com
#       - "*.traefik.io"
#       - Route.route.openshift.io
#       - "*.networking.istio.io"
#       - "*.security.istio.io"
#       - "*.cilium.io"
#       - "*.kyverno.io"
#       - "*.source.toolkit.fluxcd.io"
#       - "*.notification.toolkit.fluxcd.io"
#       - AppProject.argoproj.io
#       - "*.velero.io"
#       - "*.longhorn.io"
#       description: Kinds of custom resources (globs) of which no pods are made.
#   fix: Give the PodDisruptionBudget the selector of one workload, and each workload one PodDisruptionBudget.
#   why: "evictions then fail, or pods are evicted that the budget only seems to protect"
package stategate.availability.pdb_selector_matches

import data.stategate.lib.globs

# The budget selects nothing.
violation contains v if {
	budget := input.workload.disruption_budget
	count(input.related.workloads) == 0
	not an_operators(budget)
	not made_unseen
	not may_be_there
	not asks_for_nothing(budget)
	not of_a_component(budget)
	v := {
		"msg": sprintf(
			"PodDisruptionBudget %s selects no workload that is known in namespace %s: unless there is another, it protects nothing",
			[input.workload.name, input.workload.namespace],
		),
		"path": array.concat(budget.path, ["selector"]),
		"fix": "Give it the labels of the pod template that it is for",
	}
}

# The budget selects everything.
violation contains v if {
	budget := input.workload.disruption_budget
	budget.selects_all
	count(input.related.workloads) > 1
	some workload in input.related.workloads
	workload.class == "durable"
	v := {
		"msg": sprintf(
			"PodDisruptionBudget %s selects every pod of namespace %s, those of %s %s among them: it counts them as one",
			[input.workload.name, input.workload.namespace, workload.kind, workload.name],
		),
		"path": array.concat(budget.path, ["selector"]),
		"key": workload.name,
		"fix": sprintf("Give it the labels of one workload; give %s a PodDisruptionBudget of its own", [workload.name]),
	}
}

# Two budgets select the same pods.
violation contains v if {
	names := sort([budget.name | some budget in input.related.pdbs])
	count(names) > 1
	v := {
		"msg": sprintf(
			"pods of %s %s are selected by the PodDisruptionBudgets %s: evicting them fails, and drains hang",
			[input.workload.kind, input.workload.name, concat(", ", names)],
		),
		"path": array.concat(input.workload.pods.path, ["metadata", "labels"]),
		"fix": sprintf("Keep one of %s, or narrow their selectors", [concat(", ", names)]),
	}
}

# A budget that allows every eviction protects nothing, whatever it selects.
asks_for_nothing(budget) if budget.min_available in {0, "0", "0%"}

asks_for_nothing(budget) if budget.max_unavailable == "100%"

# As Sentry's chart does it: the budget of Kafka's brokers stays where its controllers are the brokers.
of_a_component(budget) if {
	rendered
	budget.selector.matchLabels["app.kubernetes.io/component"]
}

rendered if input.workload.labels["helm.sh/chart"]

rendered if input.workload.labels["app.kubernetes.io/managed-by"] == "Helm"

may_be_there if input.related.counterpart_unseen

# Pods may be made of a custom resource in the same run: whether the budget selects them is not known.
made_unseen if {
	some kind in input.related.custom_resources
	inert := input.parameters.inert_kinds
	not globs.matches_any(inert, kind)
}

an_operators(budget) if {
	some key, _ in object.get(budget.selector, "matchLabels", {})
	globs.matches_any(input.parameters.operator_labels, key)
}

an_operators(budget) if {
	some expression in object.get(budget.selector, "matchExpressions", [])
	globs.matches_any(input.parameters.operator_labels, expression.key)
}
