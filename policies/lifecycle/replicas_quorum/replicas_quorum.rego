# METADATA
# title: Stores that vote have at least three members
# description: >-
#   A store that decides by majority needs three members to survive the loss of one. Two are worse than one: the loss
#   of either stops both. With one member there is no other voter, and every restart is an outage. This policy checks
#   StatefulSets of engines that need a majority. Members that do not vote pass where their environment shows it:
#   Elasticsearch nodes without the master role, Kafka brokers without the controller role, arbiters and hidden
#   members of MongoDB. So does an Elasticsearch with discovery.type single-node. If the voters are spread over
#   several StatefulSets, or a single member is intended, set stategate.io/quorum: "false". Scaling down is checked by
#   scale-down-guard, zero members by scale-to-zero-guard, and even numbers by replicas-odd.
# related_resources:
# - ref: https://etcd.io/docs/v3.6/faq/#why-an-odd-number-of-cluster-members
# - ref: https://www.mongodb.com/docs/manual/core/replica-set-architectures/
# - ref: https://www.rabbitmq.com/docs/clustering#node-count
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps]}
#   parameters:
#     min: {type: integer, default: 3, description: The fewest members that pass.}
#   fix: >-
#     Set replicas to 3. If it runs alone on purpose, or its voters are elsewhere, annotate it with
#     stategate.io/quorum: "false".
#   why: "with fewer than three members, every restart of a member is an outage"
package stategate.lifecycle.replicas_quorum

violation contains v if {
	input.workload.engine.votes
	members := input.workload.replicas
	members > 0
	members < input.parameters.min
	not scaled_down
	v := {
		"msg": sprintf(
			"StatefulSet %s has %d of at least %d members: the loss of one stops %s",
			[input.workload.name, members, input.parameters.min, whole(members)],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf(
			"Set replicas to %d; if it runs alone on purpose or its voters are elsewhere, annotate it %s",
			[input.parameters.min, `stategate.io/quorum: "false"`],
		),
	}
}

whole(members) := "it" if {
	members == 1
} else := "all of them"

scaled_down if input.old_workload.replicas > input.workload.replicas
