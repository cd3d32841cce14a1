# METADATA
# title: Data stores run with a priority class
# description: >-
#   Without a class, pods have priority 0, like any batch job: when a node is full the scheduler may evict the database
#   to start a pod that ranks higher, and under memory pressure the kubelet does not spare it any longer than a crawler.
#   This policy checks workloads that run a data store. A missing class is worth a person's time only where others can
#   preempt the data store: if a class is known that ranks above its pods, apart from Kubernetes' own (system-*), those
#   of networks and storage, and those that never preempt, or if a binding names the classes that count (allowed). Many
#   products bring a class for their own controller (workflow-controller, postgres-operator-pod), which preempts hardly
#   anything and shows no order that a data store has its place in. So a single class counts only if its name is a rank
#   (high-priority, business-critical), and those of operators, controllers and the like never do. In a cluster without
#   priority classes all pods rank alike, and one that does not exist must not be named: its pods would be refused. A
#   class that the cluster assigns by default counts where it is known. Where the named class is known, its value must
#   be at least min_value.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
# - ref: https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   inventory: {PriorityClass.scheduling.k8s.io: optional}
#   parameters:
#     allowed: {type: list, of: string, default: ["*"], description: Classes (globs) that count.}
#     min_value: {type: integer, default: 1, description: The lowest value that a known class may have.}
#   fix: Set priorityClassName in the pod template to a class of your platform that ranks above batch jobs.
#   why: "when nodes are full, the scheduler evicts pods of lower priority to place others"
package stategate.scheduling.scheduling_priority_class

import data.stategate.lib.globs

violation contains v if {
	input.workload.engine
	fault := wrong(input.workload.scheduling.priority_class)
	v := {
		"msg": sprintf("%s %s %s", [input.workload.kind, input.workload.name, fault]),
		"path": array.concat(input.workload.pods.spec_path, ["priorityClassName"]),
		"fix": fix,
	}
}

wrong("") := text if {
	not default_helps
	ranked
	names := concat(", ", above)
	text := sprintf("has no priorityClassName: when room is short, pods of class %s preempt it", [names])
} else := "has no priorityClassName: when room is short it is preempted like any batch job" if {
	not default_helps
	input.parameters.allowed != ["*"]
}

wrong(name) := text if {
	name != ""
	allowed := input.parameters.allowed
	not globs.matches_any(allowed, name)
	named := concat(", ", allowed)
	text := sprintf("has the priority class %s, which is not one of those for data (%s)", [name, named])
} else := text if {
	class := input.related.priority_classes[name]
	class.value < input.parameters.min_value
	text := sprintf(
		"has the priority class %s with value %v: it is preempted as soon as pods without any class",
		[name, class.value],
	)
}

# Classes whose pods may take the place of pods without a class.
above contains name if {
	some name, class in input.related.priority_classes
	class.value > max({0} | {own.value | some own in input.related.priority_classes; own.global_default})
	class.value >= input.parameters.min_value
	class.preemption_policy != "Never"
	not regex.match(of_the_platform, name)
	not regex.match(of_a_component, name)
}

# Somebody has put the workloads of this cluster into an order.
ranked if count(above) > 1

ranked if {
	some name in above
	regex.match(`(?i)prio|critical|high|important|medium|normal|standard|default|prod|tier|level|p[0-9]($|[-.])`, name)
}

# Classes that a product brings for a component of its own.
of_a_component := `(^|[-.])(agent|controller|daemon|driver|exporter|operator|proxy|scheduler|webhook)s?([-.]|$)`

# Classes of what data stores need themselves: their network and their disks.
of_the_platform := concat("", [
	`^system-|(^|[-.])(calico|ceph|cilium|csi|fluid|juicefs|linstor|longhorn|openebs|piraeus|portworx|rook|topolvm)`,
	`([-.]|$)`,
])

fix := sprintf(
	"Set priorityClassName in the pod template to a class for data stores that ranks no lower than %s; if there is none, make it",
	[names],
) if {
	ranked
	names := concat(", ", above)
} else := sprintf("Set priorityClassName in the pod template to one of %s that exists (kubectl get priorityclass)", [names]) if {
	input.parameters.allowed != ["*"]
	names := concat(", ", input.parameters.allowed)
} else := "Set priorityClassName in the pod template to a class that ranks above batch jobs (kubectl get priorityclass)"

default_helps if {
	some class in input.related.priority_classes
	class.global_default
	class.value >= input.parameters.min_value
}
