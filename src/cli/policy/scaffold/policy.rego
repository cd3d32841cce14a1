# METADATA
# title: TODO what it demands, in one line
# description: >-
#   TODO why it matters, in two or three sentences, for a user whose change was refused. Also say what the policy does not see.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
# custom:
#   severity: {severity}
#   action: {action}
#   match: {kinds: [StatefulSet.apps]}
#   # sensitive: true  # findings may contain a credential: no report shows the text; keep it out of msg as well
#   parameters: {}
#   fix: TODO how to fix it, as a command or a field
#   why: TODO why a violation matters, in one short clause
package stategate.{category}.{policy}

violation contains v if {
	input.workload.replicas == -1 # TODO: what is wrong
	v := {
		"msg": sprintf("%s %s: TODO what is wrong here", [input.workload.kind, input.workload.name]),
		"path": ["spec", "replicas"], # TODO: where; the view has paths such as input.workload.pods.spec_path
	}
}
