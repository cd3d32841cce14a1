# METADATA
# title: No data store runs alone
# description: >-
#   With one replica every node failure, node upgrade and eviction is downtime until the volume is attached elsewhere,
#   and with a volume that is bound to its zone or node there may be no elsewhere.
#   Judged are StatefulSets of the engines in min_replicas; engines that vote are replicas-quorum's matter, none at all
#   scale-to-zero-guard's. More replicas of a plain image are more separate databases: replication has to be set up,
#   which is what an operator does. Whether it is set up cannot be seen.
#   A primary whose environment says that it replicates to a StatefulSet of standbys, as in Bitnami's charts, passes,
#   and so do those standbys; Redis' master is told so with and without replicas, and is judged.
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
#   fix: Run it replicated, best by an operator for that data store; or say why not with stategate.io/skip and skip-reason.
package stategate.lifecycle.replicas_minimum

violation contains v if {
	engine := input.workload.engine
	not engine.quorum
	fewest := input.parameters.min_replicas[engine.name]
	input.workload.replicas > 0
	input.workload.replicas < fewest
	not one_side_of_a_pair
	v := {
		"msg": sprintf(
			"StatefulSet %s has %d of at least %d replicas: while a node is down or replaced, so is what it holds",
			[input.workload.name, input.workload.replicas, fewest],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf("Set up replication for %s, best by its operator, and run at least %d replicas", [engine.name, fewest]),
	}
}

one_side_of_a_pair if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	sides := roles[variable.name]
	variable.value in sides
}

roles := {
	"POSTGRES_REPLICATION_MODE": {"master", "slave"},
	"POSTGRESQL_REPLICATION_MODE": {"master", "slave"},
	"MYSQL_REPLICATION_MODE": {"master", "slave"},
	"MARIADB_REPLICATION_MODE": {"master", "slave"},
	"REDIS_REPLICATION_MODE": {"slave", "replica"},
	"VALKEY_REPLICATION_MODE": {"replica"},
}
