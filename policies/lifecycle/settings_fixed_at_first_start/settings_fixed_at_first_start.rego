# METADATA
# title: Settings that a data directory was made with stay as they are
# description: >-
#   Some settings are written into the data when a store starts for the first time. With another value, it does not
#   start again, does not find its data, or is no longer a member: MySQL with another lower_case_table_names, Cassandra
#   with another cluster name or number of tokens, MongoDB with another --directoryperdb or --replSet, Kafka with
#   another cluster id, RabbitMQ with another node name, whose data lie in a directory of that name. This policy
#   compares arguments and variables with those before the update. A setting that appears or disappears is compared
#   with its default, if it has one and no ConfigMap or Secret that is mounted may hold it.
# related_resources:
# - ref: https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html
# - ref: https://dev.mysql.com/doc/refman/8.4/en/innodb-parameters.html#sysvar_innodb_page_size
# - ref: https://www.mongodb.com/docs/manual/reference/program/mongod/#std-option-mongod.--directoryperdb
# - ref: https://cassandra.apache.org/doc/latest/cassandra/managing/configuration/cass_yaml_file.html
# - ref: https://www.rabbitmq.com/docs/relocate
# - ref: https://galeracluster.com/library/documentation/mysql-wsrep-options.html
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Keep the setting. A store with another value is a new one: dump the data and load them into a new workload with
#     volumes of its own.
#   why: "the store does not start on data that were made with another value, or does not find them"
package stategate.lifecycle.settings_fixed_at_first_start

import data.stategate.lib.engines
import data.stategate.lib.settings

violation contains v if {
	some container in input.workload.containers
	container.role != "init"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	not settings.decides(container)
	not settings.decides(before)
	some row in fixed
	row.engine == engines.of(container)
	was := effective(before, row)
	now := effective(container, row)
	was.text != now.text
	not contains(concat("", [was.text, now.text]), "$")
	v := {
		"msg": sprintf(
			"%s of container %s changes from %s to %s: %s",
			[row.name, container.name, shown(was), shown(now), row.harm],
		),
		"path": object.get(now, "path", container.path),
		"key": sprintf("%s %s", [container.name, row.name]),
		"fix": sprintf("Keep %s of %s; with another value, dump the data and load them into a new %s with volumes of its own", [
			shown(was), row.name, input.workload.kind,
		]),
	}
}

# What is set, or else the default.
effective(container, row) := {"text": normal(item.value, row), "path": item.path} if {
	item := set_in(container, row)
} else := {"text": row.default} if {
	row.default
	not set_from(container, row)
	not configured_elsewhere(container)
}

set_in(container, row) := item if {
	item := [given | some given in settings.given(container); given.name == row.setting][0]
}

set_in(container, row) := settings.variable(container, row.variable)

# By a Secret, a ConfigMap or a field of the pod.
set_from(container, row) if {
	some variable in container.env
	variable.name == row.variable
}

normal(text, row) := object.get(object.get(row, "same", {}), lower(text), text)

shown(setting) := sprintf("\"%s\"", [setting.text])

configured_elsewhere(container) if container.env_from

configured_elsewhere(container) if {
	some mount in container.mounts
	mount.source in {"configMap", "secret", "projected"}
}

not_started := "the server does not start on a data directory that was made with the other value"

switch_values := {"": "on", "true": "on", "1": "on", "false": "off", "0": "off"}

fixed := [
	{
		"engine": "mysql",
		"name": "lower_case_table_names",
		"setting": "lower-case-table-names",
		"default": "0",
		"harm": "MySQL does not start with it, and MariaDB does not find its tables",
	},
	{
		"engine": "mysql",
		"name": "innodb_page_size",
		"setting": "innodb-page-size",
		"default": "16384",
		"same": {"4k": "4096", "8k": "8192", "16k": "16384", "32k": "32768", "64k": "65536"},
		"harm": not_started,
	},
	{
		"engine": "mysql",
		"name": "wsrep_cluster_name",
		"setting": "wsrep-cluster-name",
		"harm": "a pod with the new name does not join those with the old one",
	},
	{
		"engine": "mysql",
		"name": "MARIADB_GALERA_CLUSTER_NAME",
		"variable": "MARIADB_GALERA_CLUSTER_NAME",
		"harm": "a pod with the new name does not join those with the old one",
	},
	{
		"engine": "mongodb",
		"name": "--directoryperdb",
		"setting": "directoryperdb",
		"default": "off",
		"same": switch_values,
		"harm": not_started,
	},
	{
		"engine": "mongodb",
		"name": "--wiredTigerDirectoryForIndexes",
		"setting": "wiredtigerdirectoryforindexes",
		"default": "off",
		"same": switch_values,
		"harm": not_started,
	},
	{
		"engine": "mongodb",
		"name": "--replSet",
		"setting": "replset",
		"harm": "the name is stored with the data, and a member with another one leaves the set",
	},
	{
		"engine": "cassandra",
		"name": "CASSANDRA_CLUSTER_NAME",
		"variable": "CASSANDRA_CLUSTER_NAME",
		"harm": "a node does not start if the saved cluster name is another one",
	},
	{
		"engine": "cassandra",
		"name": "CASSANDRA_NUM_TOKENS",
		"variable": "CASSANDRA_NUM_TOKENS",
		"harm": "a node that has joined does not start with another number of tokens",
	},
	{
		"engine": "kafka",
		"name": "CLUSTER_ID",
		"variable": "CLUSTER_ID",
		"harm": "the brokers do not start on log directories with another cluster id",
	},
	{
		"engine": "kafka",
		"name": "KAFKA_KRAFT_CLUSTER_ID",
		"variable": "KAFKA_KRAFT_CLUSTER_ID",
		"harm": "the brokers do not start on log directories with another cluster id",
	},
	{
		"engine": "rabbitmq",
		"name": "RABBITMQ_NODENAME",
		"variable": "RABBITMQ_NODENAME",
		"harm": "the data lie in a directory of the old name, so the node starts empty",
	},
	{
		"engine": "rabbitmq",
		"name": "RABBITMQ_USE_LONGNAME",
		"variable": "RABBITMQ_USE_LONGNAME",
		"default": "off",
		"same": switch_values,
		"harm": "it changes the node's name, and the data lie in a directory of the old one, so the node starts empty",
	},
]
