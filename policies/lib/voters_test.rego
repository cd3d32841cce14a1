package stategate.lib.voters_test

import data.stategate.lib.voters

with_env(variables) := {"workload": {
	"engine": {"container": "db"},
	"containers": [{"name": "exporter", "env": [{"name": "node.roles", "value": "data"}]}, {"name": "db", "env": variables}],
}}

test_roles_without_a_vote if {
	every variable in [
		{"name": "node.roles", "value": "data,ingest"},
		{"name": "ELASTICSEARCH_NODE_ROLES", "value": ""},
		{"name": "KAFKA_PROCESS_ROLES", "value": "broker"},
		{"name": "KAFKA_CFG_PROCESS_ROLES", "value": "broker"},
		{"name": "MONGODB_REPLICA_SET_MODE", "value": "arbiter"},
		{"name": "MONGODB_REPLICA_SET_MODE", "value": "hidden"},
		{"name": "discovery.type", "value": "single-node"},
	] {
		voters.none_here with input as with_env([variable])
	}
}

test_roles_with_a_vote if {
	every variable in [
		{"name": "node.roles", "value": "master,data"},
		{"name": "KAFKA_PROCESS_ROLES", "value": "broker,controller"},
		{"name": "MONGODB_REPLICA_SET_MODE", "value": "secondary"},
		{"name": "CLUSTER", "value": "shop"},
	] {
		not voters.none_here with input as with_env([variable])
	}
}

test_a_role_from_elsewhere_may_have_a_vote if {
	not voters.none_here with input as with_env([{"name": "node.roles", "from": "configMapKeyRef"}])
}

test_other_containers_do_not_tell if not voters.none_here with input as with_env([])
