# Do the members of a workload vote?
package stategate.lib.voters

# Environment variables that list a member's roles, and the role that votes.
role_lists := {
	"node.roles": "master",
	"ELASTICSEARCH_NODE_ROLES": "master",
	"KAFKA_PROCESS_ROLES": "controller",
	"KAFKA_CFG_PROCESS_ROLES": "controller",
}

none_here if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	role := role_lists[variable.name]
	roles := variable_text(variable)
	not contains(roles, role)
}

# Alone by design: an arbiter, a hidden member, an Elasticsearch that is told to make no cluster.
none_here if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	variable.value in alone[variable.name]
}

alone := {
	"MONGODB_REPLICA_SET_MODE": {"arbiter", "hidden"},
	"discovery.type": {"single-node"},
}

# What comes from elsewhere may well name the role.
variable_text(variable) := variable.value if {
	variable.value
} else := "master,controller"
