# METADATA
# title: Data stores run as StatefulSets or under an operator
# description: >-
#   Only a StatefulSet gives each member its own name and volume, starts and stops members in order, and never starts a
#   second pod of a name before the first is known to be gone. A Deployment shares the claim it names between all its
#   pods; a DaemonSet has as many members as the cluster has nodes; a bare Pod is not recreated when its node is lost,
#   and a Job is for work that ends. This policy goes by the images of main containers; clients, exporters and proxies
#   are not data stores, and neither are tasks that start one beside themselves, such as tests. A single pod that keeps
#   its data on a volume and is replaced only once the old one has gone (strategy Recreate) passes: Kubernetes' own
#   guide runs single databases like that, and what is left, a pod that is deleted by hand and still writes when its
#   successor starts on the same node, only ReadWriteOncePod prevents. A claim for one node (ReadWriteOnce) that a
#   Deployment shares or hands over in a rolling update is workload-rwo-rollout-deadlock's matter. Some data stores lock
#   their files; in others most parts keep nothing themselves (Loki, Tempo): list them in
#   exempt_engines. Redis whose settings are out of sight and that has no lasting volume counts as a cache; declare
#   others with stategate.io/data-durability: cache. Pods and ReplicaSets with an owner are checked through their owner.
#   RabbitMQ finds its data again only under the same host name, which a Deployment's pods do not have unless their
#   template, RABBITMQ_NODENAME or rabbitmq-env.conf sets one. Where no volume keeps anything, volume-data-dir-persisted
#   and its like tell that, with the same way out.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#using-statefulsets
# - ref: https://kubernetes.io/docs/tasks/run-application/run-single-instance-stateful-application/
#   description: A single database as a Deployment with strategy Recreate.
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [Deployment.apps, ReplicaSet.apps, ReplicationController, DaemonSet.apps, Pod, Job.batch, CronJob.batch]}
#   inventory: {PersistentVolumeClaim: optional}
#   parameters:
#     exempt_engines: {type: list, of: string, default: [prometheus, loki, tempo], description: Data stores that may run as any kind.}
#   fix: >-
#     A single Deployment: set strategy: {type: Recreate, rollingUpdate: null}. Otherwise stop it, and run a StatefulSet
#     with replicas: 1 whose spec.template.spec.volumes names the same claim; claims of volumeClaimTemplates are empty.
#   why: a StatefulSet gives each member its own name and volume, and never runs a member twice
package stategate.storage.workload_engine_needs_statefulset

import data.stategate.lib.claims
import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.kept_data
import data.stategate.lib.known_claims
import data.stategate.lib.node_names

# What happens to a data store that runs as this kind.
consequence := "its data is in a directory named after the host (mnesia/rabbit@HOST), and each new pod starts an empty one" if {
	keeps_it_by_host
} else := "its pods share one volume, and write the same files" if {
	of_replicas
	shares_a_claim
	not single
} else := "a rollout starts a second pod beside the first, and both may write the same volume" if {
	of_replicas
	shares_a_claim
} else := "its pods have no names and no volumes of their own: a new one does not take the place of the old" if {
	of_replicas
} else := "it has as many members as the cluster has nodes, each tied to its node" if {
	input.workload.kind == "DaemonSet"
} else := "a task is over when its pod ends, and its pods have no names and no volumes of their own" if {
	input.workload.kind in {"Job", "CronJob"}
} else := "nothing makes it again when its node goes"

keeps_it_by_host if {
	node_names.changes
	some dir in input.workload.engine.data_dirs
	data_dirs.persisted(dir)
}

of_replicas if input.workload.kind in {"Deployment", "ReplicaSet", "ReplicationController"}

single if object.get(input.workload, "replicas", 1) <= 1

shares_a_claim if {
	some claim in input.workload.claims
	claim.origin == "reference"
}

operators := {
	"postgres": "CloudNativePG",
	"mysql": "Percona Operator or MariaDB Operator",
	"mongodb": "MongoDB Controllers for Kubernetes or Percona Operator",
	"kafka": "Strimzi",
	"elasticsearch": "Elastic Cloud on Kubernetes or OpenSearch Operator",
	"rabbitmq": "RabbitMQ Cluster Operator",
	"cassandra": "K8ssandra",
	"scylla": "Scylla Operator",
	"clickhouse": "Altinity Operator",
}

violation contains v if {
	engine := input.workload.engine
	exempt_engines := input.parameters.exempt_engines
	name := engine.name
	not name in exempt_engines
	# It has nothing to keep: data-store-persists says so.
	not engine.volatile
	not a_cache
	kind := input.workload.kind
	not told_of_its_volume(kind)
	not one_after_the_other
	not told_of_its_rollout
	v := {
		"msg": sprintf("%s runs as a %s: %s", [engine.name, kind, consequence]),
		"path": engine.path,
		"fix": fix(engine.name),
	}
}

# One cause, one finding: the policies on volumes tell that nothing is kept, and name a StatefulSet in their fixes.
told_of_its_volume(kind) if {
	kind != "Pod"
	kept_data.goes_with_the_pod
}

# The old pod has gone before the new one starts, and the volume tells where it may run.
one_after_the_other if {
	of_replicas
	single
	object.get(input.workload, ["update", "type"], "") != "RollingUpdate"
	not keeps_it_by_host
	lasting
}

# One cause, one finding: workload-rwo-rollout-deadlock tells what such a claim does to several pods.
told_of_its_rollout if {
	input.workload.kind in {"Deployment", "ReplicaSet", "ReplicationController", "DaemonSet"}
	count(known_claims.for_one_node) > 0
	not keeps_it_by_host
}

# Redis without a lasting volume, and with its settings out of sight, is used as a cache. Where it is known to lose
# data, the policies for volumes say so.
a_cache if {
	input.workload.engine.name == "redis"
	count(data_dirs.unpersisted) == 0
	not lasting
}

lasting if {
	some container in input.workload.containers
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
}

fix(name) := concat("", [by_dump(name), or_a_host_name]) if {
	keeps_it_by_host
} else := sprintf("Set spec.strategy to {type: Recreate, rollingUpdate: null}%s", [and_one]) if {
	input.workload.kind == "Deployment"
	shares_a_claim
	not one_of_several
} else := sprintf(
	"%s, then run a StatefulSet with replicas: 1 whose spec.template.spec.volumes names the same claim (%s); %s",
	[stop, concat(", ", moved), "claims of volumeClaimTemplates are empty"],
) if {
	count(moved) > 0
	not one_of_several
	name != "rabbitmq" # its directory is named after the host, which is the pod's name there
} else := by_dump(name)

and_one := "" if {
	single
} else := " and replicas: 1; more pods need a StatefulSet with a claim for each, and a store that is replicated"

# One alone may lack a majority, or data.
one_of_several if {
	not single
	known_claims.one_store
}

moved contains name if {
	input.workload.kind in {"Pod", "ReplicaSet", "ReplicationController"}
	some claim in claims.of_data
	claim.origin == "reference"
	name := claim.name
}

stop := "Delete the pod (its claim stays)" if {
	input.workload.kind == "Pod"
} else := sprintf("Delete the %s with its pods (its claim stays)", [input.workload.kind])

# With a new name, a broker that has data starts empty once more, and two of one name share its files.
or_a_host_name := "; as long as there is no data, hostname: rabbitmq in the pod template will do, with strategy: {type: Recreate}" if {
	keeps_it_by_host
	input.workload.kind == "Deployment"
	object.get(input.workload, "replicas", 1) <= 1
} else := ""

by_dump(name) := sprintf(
	"%s. Make it a StatefulSet with volumeClaimTemplates, or let an operator run it (%s); then %s",
	[first(name), operators[name], dumps.back],
) if {
	operators[name]
} else := sprintf("%s. Make it a StatefulSet with volumeClaimTemplates; then %s", [first(name), dumps.back])

first(name) := sprintf("If it runs, save its data first, for the claims are new: %s", [dumps.with_tool(name)])
