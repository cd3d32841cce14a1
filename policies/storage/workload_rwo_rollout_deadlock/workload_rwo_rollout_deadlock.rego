# METADATA
# title: A single-node claim is used by one pod at a time
# description: >-
#   A volume with access mode ReadWriteOnce is attached to one node, one with ReadWriteOncePod is used by one pod. A
#   second pod on another node waits until the first releases the volume. A rolling update starts the new pod before it
#   stops the old one, so that never happens, and the rollout hangs with a Multi-Attach error. On the same node both
#   write the same files, unless the claim is for one pod. This policy checks claims that a pod writes to and that all
#   pods share: those of Deployments, ReplicaSets, ReplicationControllers and DaemonSets, and those that a StatefulSet
#   names in its volumes instead of its claim templates. The access modes are those of the PersistentVolumeClaim; if it
#   is not known, nothing is flagged. Scaling is checked like any other change.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#recreate-deployment
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [Deployment.apps, ReplicaSet.apps, ReplicationController, StatefulSet.apps, DaemonSet.apps]
#     subresources: ["", scale]
#   patches: fix
#   inventory: {PersistentVolumeClaim: bundle, StatefulSet.apps: optional, Deployment.apps: optional}
#   fix: >-
#     Set replicas: 1 and strategy {type: Recreate, rollingUpdate: null}; more pods need a StatefulSet with
#     volumeClaimTemplates, whose claims are empty, and a data store that is replicated. Members of one store keep their
#     number.
#   why: "such a volume serves one node or one pod: a second pod hangs, or writes over the first's files"
package stategate.storage.workload_rwo_rollout_deadlock

import data.stategate.lib.dumps
import data.stategate.lib.known_claims
import data.stategate.lib.members

# One cause and one fix, however many claims it holds.
violation contains v if {
	count(known_claims.for_one_node) > 0
	many_pods
	v := {
		"msg": sprintf(
			"all pods of %s %s share %s: %s",
			[input.workload.kind, input.workload.name, named, harm_to_many],
		),
		"path": path_of_replicas,
		"fix": fix_many(input.workload.kind),
	}
}

violation contains v if {
	count(known_claims.for_one_node) > 0
	starts_a_second
	v := {
		"msg": sprintf("a rollout of %s starts a second pod while the first holds %s: %s", [input.workload.name, named, harm]),
		"path": ["spec", "strategy"],
		"fix": sprintf("Set spec.strategy to {type: Recreate, rollingUpdate: null}%s", [beside_others]),
	}
}

# Only for a single pod: with more, only the owner knows how many are wanted and where their data is. The null
# removes the defaults that the API server has filled in.
patch contains p if {
	count(known_claims.for_one_node) > 0
	starts_a_second
	p := {"op": "add", "path": ["spec", "strategy"], "value": {"type": "Recreate", "rollingUpdate": null}}
}

starts_a_second if {
	not many_pods
	input.workload.update.type == "RollingUpdate"
	input.workload.update.surge_pods > 0
	not waits
}

# The old pod goes at once, and no other may use such a volume before it has gone.
waits if {
	input.workload.update.unavailable_pods > 0
	one_pod_only
}

harm_to_many := "while one of them uses it, the others wait for ever" if {
	one_pod_only
} else := "all may write, or those on other nodes wait for ever if the volume is attached to one"

# Some of them admit one pod only, on whatever node.
one_pod_only if {
	some pvc in known_claims.for_one_node
	"ReadWriteOncePod" in pvc.access_modes
}

# The old pod is not waited for: until it has shut down, both run.
harm := "the second waits for the first, which is stopped only once the second is ready: it hangs" if {
	one_pod_only
} else := "on the same node both may write until the first has shut down" if {
	input.workload.update.unavailable_pods > 0
} else := "both may write, or it hangs if the volume is attached to one node"

# Another workload keeps the volume on its node. Of two data stores on one claim, pvc-single-consumer tells.
beside_others := sprintf(
	"; %s the claim, too: while one of them runs, %s",
	[they_mount, one_of(others, "the other waits", "the others wait")],
) if {
	count(others) > 0
	one_pod_only
} else := sprintf(
	"; %s the claim, too, so keep %s on one node (podAffinity by kubernetes.io/hostname), or make it ReadWriteMany",
	[they_mount, one_of(others, "both", "all")],
) if {
	count(others) > 0
} else := ""

they_mount := sprintf("%s %s", [concat(" and ", others), one_of(others, "mounts", "mount")])

one_of(all, one, _) := one if count(all) == 1

one_of(all, _, several) := several if count(all) > 1

others contains name if {
	some consumer in input.related.consumers
	consumer.kind in {"StatefulSet", "Deployment"}
	not input.workload.engine
	not consumer.holds_data
	object.get(consumer, "replicas", 1) > 0
	consumer.claim in {claim.name | some claim in known_claims.for_one_node}
	name := sprintf("%s %s", [consumer.kind, consumer.name])
}

named := concat(" and ", [sprintf("claim %s (%s)", [claim.name, concat(", ", claim.access_modes)]) |
	some claim in known_claims.for_one_node
])

many_pods if input.workload.replicas > 1

many_pods if input.workload.kind == "DaemonSet"

path_of_replicas := ["spec", "template", "spec", "volumes"] if {
	input.workload.kind == "DaemonSet"
} else := ["spec", "replicas"]

fixes := {
	"StatefulSet": "Set replicas: 1; claims for each pod, by spec.volumeClaimTemplates, are new and empty",
	"DaemonSet": "Make it a StatefulSet of one replica that mounts this claim; files for all nodes need ReadWriteMany",
	"ReplicaSet": "Set replicas: 1; more pods need (empty) claims of their own",
	"ReplicationController": "Set replicas: 1; more pods need (empty) claims of their own",
}

fix_many(kind) := text if {
	known_claims.one_store
	text := sprintf(
		"Keep %s: fewer may lack a majority, or data. If it runs, save the data first (%s); then give each member a claim of its own, %s, and %s",
		[all_members, dumps.with_tool(input.workload.engine.name), "by spec.volumeClaimTemplates of a new StatefulSet", dumps.back],
	)
} else := concat(" ", [
	"Set replicas: 1, unless its pods are members of one store, which one alone may not serve: then give each a claim of its",
	"own, by spec.volumeClaimTemplates of a new StatefulSet, and bring its data there, for such a claim is empty",
]) if {
	kind == "StatefulSet"
	not members.separate
} else := fix_of_kind(kind)

all_members := sprintf("all %d members", [input.workload.replicas]) if {
	input.workload.replicas
} else := "all members"

fix_of_kind(kind) := object.get(
	fixes,
	kind,
	"Set replicas: 1 and strategy {type: Recreate, rollingUpdate: null}; more pods need (empty) claims of their own",
)
