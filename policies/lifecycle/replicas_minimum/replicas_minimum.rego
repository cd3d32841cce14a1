# METADATA
# title: Data stores run enough replicas
# description: >-
#   A store that is replicated, but by fewer members than its engine needs, is down, or has no second copy, with the
#   next node failure, upgrade or eviction. This policy checks StatefulSets of the engines in min_replicas that have
#   several replicas, and those that lose their last standby (a step down to one). A single database is a decision
#   about money and downtime that whoever wrote replicas: 1 has made, and no edit of the manifest mends it: more
#   replicas of a plain image are just more separate databases, and replication is another architecture. So one
#   replica is told of only with judge_single, as in the profile regulated, where each needs a recorded reason. A store
#   that votes and is set up to have other members is checked by replicas-quorum, zero replicas by scale-to-zero-guard,
#   and replicas that nothing joins by replicas-clustered. A primary and its standbys may be two
#   StatefulSets, as in Bitnami's charts: one whose environment, labels or name say that it is one side of such a pair
#   passes, and so does one that is a replica of a shard by its name (-s0-r1). Whether the other side exists is not
#   checked. A Redis that evicts any key when it is full is a cache and passes.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/run-replicated-stateful-application/
# - ref: https://www.postgresql.org/docs/current/high-availability.html
# custom:
#   severity: medium
#   action: warn
#   match:
#     kinds: [StatefulSet.apps]
#     subresources: ["", scale]
#   parameters:
#     min_replicas:
#       type: map
#       of: integer
#       default: {postgres: 2, mysql: 2, redis: 2, clickhouse: 2, cassandra: 3, scylla: 3}
#       description: The fewest replicas that pass, by engine.
#     judge_single: {type: boolean, default: false, description: Also tell of stores that have one replica.}
#   fix: >-
#     Set up replication first, preferably through an operator for that data store: more replicas without it are
#     separate databases. Or keep one, and record why with stategate.io/skip and skip-reason.
#   why: "a node failure, upgrade or eviction can mean downtime until the volume is attached to another node"
package stategate.lifecycle.replicas_minimum

import data.stategate.lib.members
import data.stategate.lib.publishers

violation contains v if {
	engine := input.workload.engine
	not engine.quorum
	fewest := input.parameters.min_replicas[engine.name]
	input.workload.replicas > 0
	input.workload.replicas < fewest
	not meant_to_be_single
	not one_side_of_a_pair
	not several_stores
	not input.workload.engine.evicts
	v := {
		"msg": sprintf(
			"StatefulSet %s has %d of at least %d replicas: while a node is down or replaced, so is what it holds",
			[input.workload.name, input.workload.replicas, fewest],
		),
		"path": ["spec", "replicas"],
		"fix": fix(engine.name),
	}
}

# replicas-quorum tells of members.
violation contains v if {
	not meant_to_be_single
	members.surely_by_itself
	engine := input.workload.engine
	v := {
		"msg": sprintf(
			"StatefulSet %s runs %s by itself: while its node is down or replaced, so is what it holds",
			[input.workload.name, engine.name],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf("Leave it at 1, or %s; more replicas without that are separate stores", [members.set_up(engine.name)]),
	}
}

# Nobody writes it by mistake, and no edit of the manifest makes it more.
meant_to_be_single if {
	not input.parameters.judge_single
	input.workload.replicas == 1
	not loses_its_standby
}

loses_its_standby if {
	input.old_workload.replicas > 1
	not members.separate
}

fix(name) := sprintf("Keep %d; for one on purpose, %s, then set replicas to 1%s", [before, leaving, members.afterwards]) if {
	input.workload.replicas == 1
	loses_its_standby
	before := input.old_workload.replicas
	leaving := members.leaving(name)
} else := sprintf("%s: %s; more replicas without that are separate databases", [remedy, members.set_up(name)])

remedy := "Leave it at 1 until it is replicated" if {
	input.workload.replicas == 1
} else := "Add the missing ones as members"

# replicas-clustered tells that.
several_stores if {
	input.workload.replicas > 1
	members.separate
}

# Grown by a replica, a primary has two writers, or a second, empty database.
one_side_of_a_pair if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	name := variable.name
	image := container.image
	not publishers.passes_over(image, name)
	sides := roles[name]
	variable.value in sides
}

one_side_of_a_pair if regex.match(concat("", [`(?i)-(`, primaries, `|`, standbys, `)$`]), input.workload.name)

# Each replica of each shard in a StatefulSet of its own, as charts for ClickHouse have it.
one_side_of_a_pair if regex.match(`(?i)-(s|shard-?)[0-9]+-(r|replica-?)[0-9]+$`, input.workload.name)

# A single database of Bitnami's charts has the component "primary", too.
one_side_of_a_pair if {
	some key, value in input.workload.pods.labels
	regex.match(`(^|/)(role|component)$`, key)
	regex.match(concat("", [`(?i)^(`, standbys, `)$`]), value)
}

one_side_of_a_pair if regex.match(concat("", [`(?i)^(`, primaries, `)$`]), input.workload.pods.labels.role)

primaries := `primary|master|writer|leader`

standbys := `secondary|replicas?|slaves?|standby|read(er|-?only)?`

roles := {
	"POSTGRES_REPLICATION_MODE": {"master", "slave"},
	"POSTGRESQL_REPLICATION_MODE": {"master", "slave"},
	"MYSQL_REPLICATION_MODE": {"master", "slave"},
	"MARIADB_REPLICATION_MODE": {"master", "slave"},
	"REDIS_REPLICATION_MODE": {"master", "slave", "replica"},
	"VALKEY_REPLICATION_MODE": {"primary", "replica"},
}
