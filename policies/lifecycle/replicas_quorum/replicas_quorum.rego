# METADATA
# title: Stores that vote have at least three members
# description: >-
#   A store that decides by majority needs three members to survive the loss of one. Two are worse than one: the loss of
#   either stops both. With one member there is no other voter, and every restart is an outage. This policy checks
#   StatefulSets of engines that need a majority. A store that shows that it stands alone has no members, and passes:
#   MinIO with a path instead of URLs, MongoDB without --replSet, Elasticsearch with discovery.type single-node; so does
#   Vault unless raft storage is visible, and a single replica that nothing in sight joins to others. Members that do
#   not vote pass where their environment shows it: Elasticsearch nodes without the master role, Kafka brokers without
#   the controller role, arbiters and hidden members of MongoDB. Two members of MongoDB in Bitnami's image pass, because
#   their arbiter is in a StatefulSet of its own. If the voters are otherwise spread over several StatefulSets, or a
#   single member is intended, set stategate.io/quorum: "false". Elasticsearch before 7 does not count its masters
#   itself: discovery.zen.minimum_master_nodes, set as a variable to no more than half of them, is flagged, too. Several
#   replicas that nothing joins are checked by replicas-clustered, scaling down by scale-down-guard, zero members by
#   scale-to-zero-guard, and even numbers by replicas-odd.
# related_resources:
# - ref: https://etcd.io/docs/v3.6/faq/#why-an-odd-number-of-cluster-members
# - ref: https://www.mongodb.com/docs/manual/core/replica-set-architectures/
# - ref: https://www.rabbitmq.com/docs/clustering#node-count
# - ref: https://www.elastic.co/guide/en/elasticsearch/reference/6.8/modules-discovery-zen.html
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     min: {type: integer, default: 3, description: The fewest members that pass.}
#   fix: >-
#     Add members one at a time, as the data store wants them to join, up to three. If it runs alone on purpose, or its
#     voters are elsewhere, annotate it with stategate.io/quorum: "false".
#   why: only a majority of three or more members survives the loss of one, and stays one store
package stategate.lifecycle.replicas_quorum

import data.stategate.lib.members
import data.stategate.lib.publishers

violation contains v if {
	members.votes
	voters := input.workload.replicas
	voters > 0
	voters < input.parameters.min
	not scaled_down
	not with_an_arbiter
	not members.by_itself
	v := {
		"msg": sprintf(
			"StatefulSet %s has %d of at least %d members: the loss of one stops %s",
			[input.workload.name, voters, input.parameters.min, whole(voters)],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf(
			"For %d members, %s; if it runs alone on purpose or its voters are elsewhere, annotate it %s",
			[input.parameters.min, growth, `stategate.io/quorum: "false"`],
		),
	}
}

# A minority elects a master of its own. Masters elsewhere only raise what a majority is.
violation contains v if {
	members.votes
	members.zen
	voters := input.workload.replicas
	voters >= input.parameters.min
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	variable.name == "discovery.zen.minimum_master_nodes"
	regex.match(`^[0-9]{1,4}$`, variable.value)
	enough := floor(voters / 2) + 1
	to_number(variable.value) < enough
	v := {
		"msg": sprintf(
			"%s of %d masters of %s elect one: a cut network makes two clusters, and one of them loses what it wrote",
			[variable.value, voters, input.workload.name],
		),
		"path": variable.path,
		"fix": sprintf("Set discovery.zen.minimum_master_nodes to %d (more than half of all masters)", [enough]),
	}
}

# Two members of a MongoDB replica set may have an arbiter, which Bitnami's charts run in a StatefulSet of its own.
with_an_arbiter if {
	input.workload.engine.name == "mongodb"
	input.workload.replicas == 2
	some container in input.workload.containers
	some variable in container.env
	name := variable.name
	startswith(name, "MONGODB_REPLICA_SET_")
	image := container.image
	not publishers.passes_over(image, name)
}

growth := members.growth(input.workload.engine.name)

whole(voters) := "it" if {
	voters == 1
} else := "all of them"

scaled_down if input.old_workload.replicas > input.workload.replicas
