# METADATA
# title: Settings that a data directory was made with stay as they are
# description: >-
#   Some settings are written into the data when a store starts for the first time. With another value, it does not
#   start again, does not find its data, or is no longer a member: MySQL with another lower_case_table_names, Cassandra
#   with another cluster name, data center or number of tokens, MongoDB with another --directoryperdb or --replSet,
#   Kafka with another cluster id or node id, Kafka and Solr with another chroot in ZooKeeper, RabbitMQ, CouchDB,
#   Weaviate and InfluxDB 3 with another node name, Consul with another data center, Redis with another name of its
#   file, MinIO with another number of drives in a pool. Vault starts empty with another kind of storage, and so does
#   Kafka without its ZooKeeper, unless it was migrated. This policy compares arguments and variables, and files of
#   MySQL and Vault in ConfigMaps of the run, with those before the update. A setting that appears or disappears is
#   compared with its default, if it has one and no ConfigMap or Secret that is mounted may hold it. Data that goes with
#   the old pods meets no other setting.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage
# - ref: https://dev.mysql.com/doc/refman/8.4/en/identifier-case-sensitivity.html
# - ref: https://dev.mysql.com/doc/refman/8.4/en/innodb-parameters.html#sysvar_innodb_page_size
# - ref: https://www.mongodb.com/docs/manual/reference/program/mongod/#std-option-mongod.--directoryperdb
# - ref: https://cassandra.apache.org/doc/latest/cassandra/managing/configuration/cass_yaml_file.html
# - ref: https://kafka.apache.org/39/documentation.html#kraft_zk_migration
# - ref: https://developer.hashicorp.com/vault/docs/commands/operator/migrate
# - ref: https://www.rabbitmq.com/docs/relocate
# - ref: https://docs.couchdb.org/en/stable/whatsnew/2.1.html
# - ref: https://github.com/apache/solr/pull/1321
# - ref: https://github.com/weaviate/weaviate/issues/3547
# - ref: https://docs.influxdata.com/influxdb3/core/reference/config-options/#node-id
# - ref: https://min.io/docs/minio/linux/operations/install-deploy-manage/expand-minio-deployment.html
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
import data.stategate.lib.paths
import data.stategate.lib.pod_data
import data.stategate.lib.publishers
import data.stategate.lib.settings

violation contains v if {
	not pod_data.gone
	some container in input.workload.containers
	container.role != "init"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	not settings.decides(container)
	not settings.decides(before)
	engine := engines.of(container)
	some row in fixed
	row.engine == engine
	counts(row, before)
	not recovers(row, container)
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
		"fix": sprintf("%s; %s", [keep(was, row), object.get(row, "instead", a_new_one)]),
	}
}

# What is shown is what the image makes of the variable.
keep(was, row) := sprintf("Keep %s as it was", [row.variable]) if {
	row.prefix
	was.path
} else := sprintf("Leave out %s", [row.variable]) if {
	row.prefix
} else := sprintf("Keep the chroot %s in %s", [shown(was), row.variable]) if {
	row.chroot
} else := sprintf("Keep %s of %s", [shown(was), row.name])

a_new_one := sprintf("with another value, dump the data and load them into a new %s with volumes of its own", [input.workload.kind])

# What is set, or else the default.
effective(container, row) := {"text": normal(item.value, row), "path": item.path} if {
	item := set_in(container, row)
} else := {"text": normal(item.value, row), "path": item.path} if {
	item := set_in_a_file(container, row)
} else := {"text": text} if {
	text := default_of(container, row)
	not set_from(container, row)
	not configured_elsewhere(container, row)
	count(said_in_files(container, row)) == 0
}

default_of(_, row) := row.default

# Of the official image: rabbit@HOSTNAME, without its domain.
default_of(container, row) := sprintf("rabbit@%s-0", [input.workload.name]) if {
	row.name == "RABBITMQ_NODENAME"
	input.workload.kind == "StatefulSet"
	regex.match(`(^|/)library/rabbitmq$`, container.image.repository)
	not settings.variable(container, "RABBITMQ_USE_LONGNAME")
}

# The image names the node only if its file vm.args does not.
default_of(container, row) := "nonode@nohost" if {
	row.name == "the name of the node (NODENAME)"
	regex.match(`(^|/)(library|apache)/couchdb$`, container.image.repository)
	not settings.variable(container, "ERL_FLAGS")
	count([item | some item in settings.given(container); item.name in {"name", "sname", "args-file"}]) == 0
	count([file | some file in object.get(container, "files", []); endswith(file.path, "vm.args")]) == 0
}

default_of(container, row) := "dc1" if {
	row.name == "-datacenter"
	count([item | some item in settings.given(container); item.name in {"config-dir", "config-file", "dev"}]) == 0
	count([variable | some variable in container.env; variable.name == "CONSUL_LOCAL_CONFIG"]) == 0
}

# The new container is told to take over what the old one had.
recovers(row, container) if {
	some variable in container.env
	variable.name in object.get(row, "unless", [])
}

# Redis reads either its log or its dump; Cassandra its data center only with one snitch.
counts(row, _) if not row.only

counts(row, container) if {
	row.only == "log"
	appendonly(container) == "yes"
}

counts(row, container) if {
	row.only == "dump"
	appendonly(container) == "no"
}

counts(row, container) if {
	row.only == "snitch"
	settings.variable(container, "CASSANDRA_ENDPOINT_SNITCH").value == "GossipingPropertyFileSnitch"
}

counts(row, _) if {
	row.only == "several"
	object.get(input.old_workload, "replicas", 1) > 1
}

# In a cluster, it is the cluster's name that tells where the data are.
counts(row, container) if {
	row.only == "single"
	not contains(container.image_name, "enterprise")
	count([item | some item in settings.given(container); item.name == "cluster-id"]) == 0
}

appendonly(container) := value if {
	given := [lower(item.value) | some item in settings.given(container); item.name == "appendonly"]
	count(given) > 0
	value := given[count(given) - 1]
} else := "no" if {
	repository := container.image.repository
	not contains(repository, "bitnami")
	not configured_elsewhere(container, {})
}

# Each kind of storage has files of its own, and an empty one waits to be initialized.
violation contains v if {
	not pod_data.gone
	some container in input.workload.containers
	engines.of(container) == "vault"
	container.role != "init"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	was := storage(before)
	was.kind != "inmem"
	now := storage(container)
	was.kind != now.kind
	v := {
		"msg": sprintf(
			"the storage of container %s changes from \"%s\" to \"%s\": unless all was copied there first, it starts uninitialized, without its secrets",
			[container.name, was.kind, now.kind],
		),
		"path": now.path,
		"key": sprintf("%s storage", [container.name]),
		"fix": sprintf(
			"Keep storage \"%s\", or stop it first and copy all with %s operator migrate to an empty place, before it starts with \"%s\"",
			[was.kind, client_of(container.image), now.kind],
		),
	}
}

client_of(image) := "bao" if contains(image.repository, "openbao") else := "vault"

# Undefined if several files disagree.
storage(container) := all[0] if {
	all := array.concat(
		[{"kind": kind, "path": variable.path} |
			some variable in container.env
			variable.name in {"VAULT_LOCAL_CONFIG", "BAO_LOCAL_CONFIG"}
			some kind in kinds_of_storage(variable.value)
		],
		[{"kind": kind, "path": mounts[0].path} |
			some file in object.get(container, "files", [])
			some kind in kinds_of_storage(file.text)
			mounts := [mount | some mount in container.mounts; paths.within(file.path, mount.mount_path)]
		],
	)
	count({item.kind | some item in all}) == 1
}

# storage "file" { or "storage": {"file": {
kinds_of_storage(text) := {match[1] |
	contains(text, "storage")
	said := regex.replace(text, `(?m)^\s*(#|//).*$`, "")
	some match in regex.find_all_string_submatch_n(`(?:^|[\s{,])"?storage"?[\s:=\[{]+"?([a-z0-9_]+)"?\s*[:={]`, said, -1)
}

# MinIO adds pools; none of them changes.
violation contains v if {
	not pod_data.gone
	some container in input.workload.containers
	engines.of(container) == "minio"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	new := pools(container)
	some old in pools(before) - new
	some pool in new
	split(pool, "{")[0] == split(old, "{")[0]
	ranges(pool) != ranges(old)
	v := {
		"msg": sprintf(
			"the pool %s of container %s becomes %s: a pool neither grows nor shrinks, and the servers do not start",
			[old, container.name, pool],
		),
		"path": container.path,
		"key": sprintf("%s %s", [container.name, old]),
		"fix": sprintf("Keep %s, and name the new drives as a pool of their own after it, from a StatefulSet of their own", [old]),
	}
}

# The metadata of the brokers are in ZooKeeper, or in the log of the controllers. Only a broker that Kafka migrates has
# them in both.
violation contains v if {
	not pod_data.gone
	some container in input.workload.containers
	engines.of(container) == "kafka"
	container.role != "init"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	not before.env_from
	was := metadata(before)
	now := metadata(container)
	was.place != now.place
	not migrates(before)
	not migrates(container)
	v := {
		"msg": sprintf(
			"container %s looks for its metadata in %s (%s) instead of %s: the brokers do not start, or start without their topics",
			[container.name, now.place, now.variable.name, was.place],
		),
		"path": now.variable.path,
		"key": sprintf("%s metadata", [container.name]),
		"fix": sprintf("Keep %s; %s", [was.variable.name, ways_between[was.place]]),
	}
}

metadata(container) := {"place": "KRaft", "variable": roles} if {
	roles := said_to_kafka(container, "PROCESS_ROLES")
} else := {"place": "ZooKeeper", "variable": connection} if {
	connection := said_to_kafka(container, "ZOOKEEPER_CONNECT")
}

# Bitnami's image has a prefix of its own.
said_to_kafka(container, name) := [variable |
	some prefix in ["KAFKA_", "KAFKA_CFG_"]
	some variable in container.env
	variable.name == concat("", [prefix, name])
	object.get(variable, "value", "elsewhere") != ""
][0]

migrates(container) if object.get(said_to_kafka(container, "ZOOKEEPER_METADATA_MIGRATION_ENABLE"), "value", "true") != "false"

ways_between := {
	"ZooKeeper": concat(" ", [
		"only Kafka's own migration (up to 3.9) brings the metadata along: controllers in a StatefulSet of their own, then",
		"zookeeper.metadata.migration.enable on the brokers, and process.roles only once all of it has been copied",
	]),
	"KRaft": "there is no way back once a migration is finished",
}

ranges(pool) := regex.find_n(`\{[0-9]+\.\.\.[0-9]+\}`, pool, -1)

pools(container) := {word | some word in array.concat(words, of_variable); regex.match(`\{[0-9]+\.\.\.[0-9]+\}`, word)} if {
	words := [item.text | some item in settings.words(container)]
	of_variable := split(concat(" ", [variable.value | some variable in container.env; variable.name == "MINIO_VOLUMES"]), " ")
}

# A member that has left its set by a restart.
violation contains v if {
	not pod_data.gone
	some container in input.workload.containers
	engines.of(container) == "mongodb"
	container.role != "init"
	some before in input.old_workload.containers
	before.name == container.name
	before.engine == container.engine
	not settings.decides(container)
	settings.shown(container)
	publishers.known(container.image)
	runs_mongod(container)
	not told_by_variable(container)
	was := [item.value | some item in settings.given(before); item.name == "replset"]
	count(was) > 0
	count([item | some item in settings.given(container); item.name in {"replset", "config", "f"}]) == 0
	not configured_elsewhere(container, {})
	v := {
		"msg": sprintf(
			"container %s loses --replSet %s: it takes writes that no other member gets, and leaves its set",
			[container.name, was[0]],
		),
		"path": container.path,
		"key": sprintf("%s replSet", [container.name]),
		"fix": sprintf("Keep --replSet %s", [was[0]]),
	}
}

# Another program may start it with settings of its own.
runs_mongod(container) if count(settings.words(container)) == 0

runs_mongod(container) if regex.match(`^(-|(/usr/(local/)?bin/)?mongod$)`, settings.words(container)[0].text)

# Those of Bitnami make a setting of some.
told_by_variable(container) if {
	some variable in container.env
	name := variable.name
	regex.match(`(?i)replica|replset|flags`, name)
	image := container.image
	not publishers.passes_over(image, name)
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

normal(text, row) := chroot(text) if {
	row.chroot
} else := concat("", [row.prefix, text]) if {
	row.prefix
} else := lower(text) if {
	row.lower
} else := object.get(object.get(row, "same", {}), lower(text), text)

# zk-0.zk:2181,zk-1.zk:2181/kafka
chroot(text) := text if {
	contains(text, "$")
} else := sprintf("/%s", [trim(concat("/", array.slice(parts, 1, count(parts))), "/")]) if {
	parts := split(text, "/")
}

shown(setting) := sprintf("\"%s\"", [setting.text])

configured_elsewhere(container, _) if container.env_from

configured_elsewhere(container, row) if {
	some mount in container.mounts
	mount.source in {"configMap", "secret", "projected"}
	not seen(container, mount, row)
}

# All that it holds is known, as far as the run shows.
seen(container, mount, row) if {
	row.files
	mount.source == "configMap"
	some file in object.get(container, "files", [])
	paths.within(file.path, mount.mount_path)
}

# Of several files that disagree, the last one counts, whichever that is.
set_in_a_file(container, row) := all[0] if {
	all := said_in_files(container, row)
	count({item.value | some item in all}) == 1
}

said_in_files(container, row) := [item |
	pattern := row.files
	names := {row.setting, sprintf("loose-%s", [row.setting])}
	some item in settings.in_files(container, pattern)
	item.name in names
]

of_mysql := `^/etc/(my\.cnf|(my\.cnf\.d|mysql)/.*\.cnf)$|^/opt/bitnami/[a-z]+/conf/.*\.cnf$`

not_started := "the server does not start on a data directory that was made with the other value"

switch_values := {"": "on", "true": "on", "1": "on", "false": "off", "0": "off"}

fixed := [
	{
		"engine": "mysql",
		"name": "lower_case_table_names",
		"setting": "lower-case-table-names",
		"files": of_mysql,
		"default": "0",
		"harm": "MySQL does not start with it, and MariaDB does not find its tables",
	},
	{
		"engine": "mysql",
		"name": "innodb_page_size",
		"setting": "innodb-page-size",
		"files": of_mysql,
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
		"engine": "kafka",
		"name": "the chroot in KAFKA_ZOOKEEPER_CONNECT",
		"variable": "KAFKA_ZOOKEEPER_CONNECT",
		"chroot": true,
		"harm": other_cluster,
		"instead": a_cluster_of_its_own,
	},
	{
		"engine": "kafka",
		"name": "the chroot in KAFKA_CFG_ZOOKEEPER_CONNECT",
		"variable": "KAFKA_CFG_ZOOKEEPER_CONNECT",
		"chroot": true,
		"harm": other_cluster,
		"instead": a_cluster_of_its_own,
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
	{
		"engine": "couchdb",
		"name": "the name of the node (NODENAME)",
		"variable": "NODENAME",
		"prefix": "couchdb@",
		"files": `/vm\.args$`,
		"harm": of_another_node,
		"instead": renaming_couchdb,
	},
	{
		"engine": "couchdb",
		"name": "COUCHDB_NODENAME",
		"variable": "COUCHDB_NODENAME",
		"harm": of_another_node,
		"instead": renaming_couchdb,
	},
	{
		"engine": "solr",
		"name": "the chroot in ZK_HOST",
		"variable": "ZK_HOST",
		"chroot": true,
		"harm": "its collections are not below it: it does not start, or unloads their cores, which older versions delete",
		"instead": a_cluster_of_its_own,
	},
	{
		"engine": "weaviate",
		"name": "CLUSTER_HOSTNAME",
		"variable": "CLUSTER_HOSTNAME",
		"unless": ["RAFT_ENABLE_ONE_NODE_RECOVERY", "RAFT_FORCE_ONE_NODE_RECOVERY"],
		"harm": "the shards belong to the node of the old name, and the new one does not load them",
	},
	{
		"engine": "influxdb",
		"name": "--node-id",
		"setting": "node-id",
		"only": "single",
		"harm": other_prefix,
	},
	{
		"engine": "influxdb",
		"name": "INFLUXDB3_NODE_ID",
		"variable": "INFLUXDB3_NODE_ID",
		"only": "single",
		"harm": other_prefix,
	},
	{
		"engine": "influxdb",
		"name": "INFLUXDB3_NODE_IDENTIFIER_PREFIX",
		"variable": "INFLUXDB3_NODE_IDENTIFIER_PREFIX",
		"only": "single",
		"harm": other_prefix,
	},
	{
		"engine": "consul",
		"name": "-datacenter",
		"setting": "datacenter",
		"lower": true,
		"only": "several",
		"harm": "a server of the new one does not join those of the old one",
		"instead": "another data center is a cluster of its own, and -retry-join-wan joins the two",
	},
	{
		"engine": "cassandra",
		"name": "CASSANDRA_DC",
		"variable": "CASSANDRA_DC",
		"only": "snitch",
		"harm": "a node does not start if the saved data center is another one",
	},
	{
		"engine": "cassandra",
		"name": "CASSANDRA_RACK",
		"variable": "CASSANDRA_RACK",
		"only": "snitch",
		"harm": "a node does not start if the saved rack is another one",
	},
	{
		"engine": "kafka",
		"name": "KAFKA_NODE_ID",
		"variable": "KAFKA_NODE_ID",
		"harm": other_node,
	},
	{
		"engine": "kafka",
		"name": "KAFKA_BROKER_ID",
		"variable": "KAFKA_BROKER_ID",
		"harm": other_node,
	},
	{
		"engine": "kafka",
		"name": "KAFKA_CFG_NODE_ID",
		"variable": "KAFKA_CFG_NODE_ID",
		"harm": other_node,
	},
	{
		"engine": "kafka",
		"name": "KAFKA_CFG_BROKER_ID",
		"variable": "KAFKA_CFG_BROKER_ID",
		"harm": other_node,
	},
	{
		"engine": "redis",
		"name": "dbfilename",
		"setting": "dbfilename",
		"only": "dump",
		"default": "dump.rdb",
		"harm": other_file,
	},
	{
		"engine": "redis",
		"name": "appendfilename",
		"setting": "appendfilename",
		"only": "log",
		"default": "appendonly.aof",
		"harm": other_file,
	},
	{
		"engine": "redis",
		"name": "appenddirname",
		"setting": "appenddirname",
		"only": "log",
		"default": "appendonlydir",
		"harm": other_file,
	},
]

of_another_node := "the shards of all databases belong to the node of the old name, and nobody reaches them"

renaming_couchdb := "to rename it, replicate each database to a CouchDB of the new name with volumes of its own"

other_prefix := "its files lie below the old one, and it starts without them"

other_cluster := "below it is another cluster or none, and the brokers do not start on log directories of this one"

a_cluster_of_its_own := "another chroot is for another cluster, with volumes of its own"

other_node := "a broker does not start on log directories of another node"

other_file := "it does not read the file of the old name, and starts without its keys"
