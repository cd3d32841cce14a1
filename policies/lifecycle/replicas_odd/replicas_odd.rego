# METADATA
# title: Stores that vote have an odd number of members
# description: >-
#   Four voters survive the loss of one, just as three do, and there is one more that can fail: an even number costs a
#   member and gains nothing. If the network splits into two halves, neither half has a majority. This policy checks
#   StatefulSets of the engines in odd_engines with four or more members; fewer are checked by replicas-quorum. Other
#   engines, such as Kafka or Elasticsearch, elect among only some of their members. A step of one from an odd number
#   passes. An arbiter in a StatefulSet of its own is not visible: set stategate.io/quorum: "false".
# related_resources:
# - ref: https://etcd.io/docs/v3.6/faq/#why-an-odd-number-of-cluster-members
# - ref: https://www.rabbitmq.com/docs/clustering#node-count
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps], subresources: ["", scale]}
#   parameters:
#     odd_engines:
#       type: list
#       of: string
#       default: [etcd, zookeeper, consul, vault, rabbitmq, mongodb, nats]
#       description: Engines in which every member votes.
#   fix: >-
#     Run an odd number of members; one member fewer survives as many failures. Remove it from the store before its pod.
#   why: "if the network splits into two equal halves, neither half has a majority"
package stategate.lifecycle.replicas_odd

import data.stategate.lib.members

violation contains v if {
	members.votes
	input.workload.engine.name in input.parameters.odd_engines
	voters := input.workload.replicas
	voters > 2
	voters % 2 == 0
	not on_the_way
	v := {
		"msg": sprintf(
			"StatefulSet %s has %d members, and lives through no more failures than %d would",
			[input.workload.name, voters, voters - 1],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf(
			"For %d members, %s, then set replicas to %d%s",
			[voters - 1, members.leaving(input.workload.engine.name), voters - 1, members.afterwards],
		),
	}
}

on_the_way if abs(input.old_workload.replicas - input.workload.replicas) == 1
