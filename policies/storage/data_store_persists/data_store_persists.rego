# METADATA
# title: A data store is not told to keep everything in memory
# description: >-
#   Some settings turn a data store into a toy: Vault, OpenBao and Consul in development mode (`-dev`) keep everything
#   in memory and need no unsealing, and their images run like that if no arguments are given. Replicated Redis and
#   Valkey without dump and log (`--save "" --appendonly no`) lose more than one server's memory: a primary that
#   restarts empty empties its replicas, too. InfluxDB 3 with the object store `memory` keeps all of its data, the
#   write-ahead log included, in memory, and so do CockroachDB with a store of the type mem and MongoDB with the storage
#   engine inMemory. A claim that is mounted stays empty. This policy says so once, instead of
#   judging a data directory that is not used. A single Redis without persistence is taken for a cache and passes. So
#   does development mode with a configuration file that may name a storage.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/
# - ref: https://developer.hashicorp.com/vault/docs/concepts/dev-server
# - ref: https://developer.hashicorp.com/consul/docs/reference/cli/agent
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
# - ref: https://docs.influxdata.com/influxdb3/core/reference/config-options/#object-store
# custom:
#   severity: critical
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]
#     classes: [durable, identity-only]
#   fix: Configure a storage on a volume. What is in it now is gone after the next restart, so copy it out first.
#   why: a restart loses all that it was given
package stategate.storage.data_store_persists

import data.stategate.lib.dumps

violation contains v if {
	engine := input.workload.engine
	engine.volatile
	some container in input.workload.containers
	container.name == engine.container
	how := setting(engine, container)
	v := {
		"msg": sprintf("%s keeps everything in memory (%s): %s", [engine.name, how, consequence(engine)]),
		"path": container.path,
		"fix": fix(engine, container),
	}
}

setting(engine, container) := sprintf("without arguments, its image runs %s", [of_image[engine.name]]) if {
	of_image[engine.name]
	count(container.command) + count(container.args) == 0
} else := "-dev" if {
	of_image[engine.name]
	some text in array.concat(container.command, container.args)
	contains(text, "-dev")
} else := settings_of[engine.name] if {
	settings_of[engine.name]
} else := "as it is told to"

settings_of := {
	"cockroach": "its store is of the type mem",
	"influxdb": "its object store is memory",
	"mongodb": "its storage engine writes no files",
	"redis": "neither dump nor append-only file",
	"vault": "its storage is inmem",
}

of_image := {"vault": "server -dev", "consul": "agent -dev"}

consequence(engine) := "a primary that restarts empty empties its replicas as well" if {
	engine.name == "redis"
} else := "a restart loses every secret" if {
	engine.name == "vault"
} else := "a restart loses all of it"

fix(engine, container) := sprintf(
	"Copy the secrets out first; then %s and storage \"raft\" with its path on a volume, initialize it, and write the secrets back",
	[started(container)],
) if {
	engine.name == "vault"
} else := concat("", [
	"Copy the data out first (consul snapshot save, outside of the pod); then give it args [agent, -server, ",
	"-client=0.0.0.0, -bootstrap-expect=N] (for more than one, -retry-join=NAME-0.SERVICE, too) and a volume at ",
	"/consul/data, and run consul snapshot restore",
]) if {
	engine.name == "consul"
} else := concat("", [
	"Query out of it what you need; then set the object store to file with its data directory on a volume, or to s3, ",
	"google or azure, and write the data again; if it may be lost, annotate stategate.io/data-durability: cache",
]) if {
	engine.name == "influxdb"
} else := sprintf(
	"Save the data first (%s); then %s, with its data directory on a volume, and %s",
	[dumps.with_tool(engine.name), object.get(changed, engine.name, "configure a storage"), dumps.back_with(engine.name)],
) if {
	engine.name != "redis"
} else := concat("", [
	"Take a dump first (redis-cli --rdb /tmp/dump.rdb in the pod, then kubectl cp it out: a file in the pod goes with it); ",
	"then give it a claim, put dump.rdb into its data directory before it ",
	"starts, and take --save \"\" out; if it is only a cache, annotate stategate.io/data-durability: cache",
])

changed := {"cockroach": "set --store=path=DIRECTORY", "mongodb": "take --storageEngine out"}

started(container) := "replace -dev and its -dev-… flags in its script by -config=FILE, with a listener" if {
	some text in array.concat(container.command, container.args)
	regex.match(`\s-dev`, text)
} else := "start it with args [server, -config=FILE]"
