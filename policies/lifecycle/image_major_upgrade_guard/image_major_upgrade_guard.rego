# METADATA
# title: Major upgrades of data stores are deliberate
# description: >-
#   A new major version of PostgreSQL does not start on the files of the old one: a changed tag is an outage until
#   someone migrates the data. Most other engines upgrade in place, but several only from certain versions: skipping one
#   leaves nodes that do not start, on data that is half converted. An update needs confirmation if PostgreSQL's major
#   version rises, if an engine of one_major_at_a_time rises by more than one major version, one of one_minor_at_a_time
#   by more than one minor version, or one of series by more than one of them, and if a version of comes_from is reached
#   from a version that its vendor does not support as a starting point. MongoDB's next series needs confirmation as
#   well: it does not start on data whose featureCompatibilityVersion is that of the series before last, which an
#   earlier upgrade leaves as it is until someone raises it. MySQL and MariaDB do not open each other's files, so a
#   change between them needs confirmation too. Meilisearch starts on the files of another version only if it is told to
#   upgrade them: that needs the switch of its version, or confirmation. Products that share an engine, such as Redis,
#   Valkey and KeyDB, need confirmation where one does not read what the other has written, MinIO where a later release
#   does not know the file system mode of a single drive, and Elasticsearch 8 where nothing decides on its security, so
#   that it asks for TLS between its nodes. Tags of the same image are compared and, for PostgreSQL, also tags of
#   different images where they show its major version (pg17). Images whose tag shows no version of the data store pass,
#   and so do images of others whose numbers it has never had. Images that migrate by themselves need confirmation like
#   all others. Downgrades are checked by image-version-downgrade. Data that goes with the old pods meets no new
#   version: volume-data-lost-in-rollout tells that. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# - ref: https://www.postgresql.org/docs/current/upgrading.html
# - ref: https://www.mongodb.com/docs/manual/release-notes/8.0-upgrade-replica-set/
# - ref: https://www.mongodb.com/docs/manual/reference/command/setFeatureCompatibilityVersion/
# - ref: https://www.elastic.co/docs/deploy-manage/upgrade
# - ref: https://docs.opensearch.org/latest/migrate-or-upgrade/rolling-upgrade/
# - ref: https://qdrant.tech/documentation/upgrades/
# - ref: https://www.meilisearch.com/docs/resources/migration/updating
# - ref: https://www.cockroachlabs.com/docs/stable/upgrade-cockroach-version
# - ref: https://etcd.io/docs/v3.6/upgrades/upgrading-etcd/
# - ref: https://etcd.io/docs/v3.6/upgrades/upgrade_3_6/
#   description: Why members of 3.6 do not start on what 3.5 before its last patches has left.
# - ref: https://www.rabbitmq.com/docs/upgrade#rabbitmq-version-upgradability
# - ref: https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html
# - ref: https://github.com/valkey-io/valkey/issues/845
# - ref: https://github.com/Snapchat/KeyDB/issues/527
# - ref: https://github.com/minio/minio/issues/15999
# - ref: https://kafka.apache.org/43/getting-started/upgrade/
# - ref: https://docs.scylladb.com/stable/versioning/upgrade-policy.html
# - ref: https://www.elastic.co/guide/en/elasticsearch/reference/8.x/manually-configure-security.html
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   parameters:
#     needs_migration:
#       type: list
#       of: string
#       default: [postgres]
#       description: Engines whose files a new major version cannot open.
#     one_major_at_a_time:
#       type: list
#       of: string
#       default: [mongodb, elasticsearch, cassandra]
#       description: Engines that must not skip a major version.
#     series:
#       type: map
#       of: list
#       default: {mongodb: ["3.4", "3.6", "4.0", "4.2", "4.4", "5.0", "6.0", "7.0", "8.0"]}
#       description: >-
#         The release series of an engine, none of which may be skipped and each of which needs the
#         featureCompatibilityVersion of the one before.
#     one_minor_at_a_time:
#       type: list
#       of: string
#       default: [etcd, qdrant]
#       description: Engines that must not skip a minor version.
#     comes_from:
#       type: map
#       of: string
#       default:
#         elasticsearch/8: "7.17"
#         elasticsearch/9: "8.18"
#         elasticsearch/9.1: "8.19"
#         opensearch/3: "2.19"
#         rabbitmq/3.12: "3.11"
#         rabbitmq/3.13: "3.12"
#         rabbitmq/4: "3.13"
#         rabbitmq/4.3: "4.2"
#         cockroach/23.2: "23.1"
#         cockroach/24.1: "23.2"
#         cockroach/24.2: "24.1"
#         cockroach/24.3: "24.1"
#         cockroach/25.1: "24.3"
#         cockroach/25.2: "24.3"
#         cockroach/25.3: "25.2"
#         cockroach/25.4: "25.2"
#         cockroach/26.1: "25.4"
#         cockroach/26.2: "25.4"
#         cockroach/26.3: "26.2"
#         etcd/3.6: "3.5.32"
#         etcd/3.7: "3.6.11"
#         mysql/8.4: "8.0"
#         mysql/9: "8.4"
#         kafka/4: "3.3"
#         cp-kafka/8: "7.3"
#         cp-server/8: "7.3"
#         scylla/5.1: "5.0"
#         scylla/5.2: "5.1"
#         scylla/5.4: "5.2"
#         scylla/6.0: "5.4"
#         scylla/6.1: "6.0"
#         scylla/6.2: "6.1"
#         scylla/2025.1: "6.2"
#         scylla/2025.2: "2025.1"
#       description: >-
#         The oldest version that may be upgraded to the given version or later, by the last part of the image's
#         repository.
#   fix: >-
#     Migrate the data as the vendor documents, with a fresh backup, then: kubectl annotate KIND NAME
#     stategate.io/confirm-version-change='OLD->NEW'
#   why: "members may not start, and a skipped version can leave the data half converted"
package stategate.lifecycle.image_major_upgrade_guard

import data.stategate.lib.confirm
import data.stategate.lib.paths
import data.stategate.lib.pod_data
import data.stategate.lib.settings
import data.stategate.lib.versions

violation contains v if {
	not pod_data.gone
	change := versions.change
	danger := obstacle(change.old, change.new, versions.software(input.workload))
	why := versions.doubt
	v := {
		"msg": sprintf("%s goes %s: %s, and %s", [named(change.new), change.text, danger, why]),
		"path": change.new.path,
		"fix": sprintf("Make a backup; %s: %s", [way(change.old, change.new), versions.command]),
	}
}

# 8.19 came after 9.0, which does not know what it writes.
violation contains v if {
	not pod_data.gone
	change := versions.change
	versions.software(input.workload) == "elasticsearch"
	array.slice(change.old.release, 0, 2) == [8, 19]
	array.slice(change.new.release, 0, 2) == [9, 0]
	why := versions.doubt
	v := {
		"msg": sprintf("elasticsearch goes %s: 9.0 is older than 8.19, which is followed by 9.1, and %s", [change.text, why]),
		"path": change.new.path,
		"fix": sprintf("Make a backup, and take 9.1 or later; if there are no data to keep: %s", [versions.command]),
	}
}

violation contains v if {
	not pod_data.gone
	before := family(input.old_workload)
	after := family(input.workload)
	before != after
	step := sprintf("%s->%s", [before, after])
	why := confirm.missing(input.workload, versions.confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf("the image goes %s: one does not start on the files of the other, and %s", [step, why]),
		"path": input.workload.engine.path,
		"fix": sprintf("Dump the data, and load it into a new database; if this volume holds none yet: %s", [command]),
	}
}

# Another product, or a generation that reads none of these files.
violation contains v if {
	not pod_data.gone
	some row in replacements
	input.workload.engine.name == row.engine
	input.old_workload.engine.name == row.engine
	regex.match(row.old, versions.software(input.old_workload))
	regex.match(row.new, versions.software(input.workload))
	every workload in [input.old_workload, input.workload] {
		versions.shows_version(workload)
	}
	within(input.old_workload.engine, row.from)
	reaches(row)
	not stays
	not upgraded_by_its_image
	not told_to_upgrade(row)
	not told_as_a_step
	not back(input.old_workload, input.workload)
	step := sprintf("%s->%s", [label(input.old_workload), label(input.workload)])
	why := confirm.missing(input.workload, versions.confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf("the image goes %s: %s, and %s", [step, row.harm, why]),
		"path": input.workload.engine.path,
		"fix": sprintf("%s; %s: %s", [row.way, object.get(row, "or_else", "then, or if there are no data to keep"), command]),
	}
}

# Since then, MinIO has no file system mode, in which releases before June 2022 keep what is on a single drive.
violation contains v if {
	input.workload.engine.name == "minio"
	input.old_workload.engine.name == "minio"
	not pod_data.gone
	before := versions.dated(input.old_workload)
	after := versions.dated(input.workload)
	versions.below(before.release, "2022.10.29")
	not versions.below(after.release, "2022.10.29")
	on_one_drive
	step := sprintf("%s->%s", [before.tag, after.tag])
	why := confirm.missing(input.workload, versions.confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf(
			"minio goes %s: it does not start on a single drive that a release before June 2022 has set up (\"found backend type fs\"), and %s",
			[step, why],
		),
		"path": input.workload.engine.path,
		"fix": sprintf(
			"%s; if .minio.sys/format.json says xl-single, or there are no data to keep: %s",
			[out_of_the_file_system, command],
		),
	}
}

out_of_the_file_system := concat(" ", [
	"Keep the image, or go no further than RELEASE.2022-10-24T18-35-07Z; from that one, copy into a new workload with a",
	"volume of its own: mc admin cluster bucket export and import, mc admin cluster iam export and import, then mc mirror",
	"(newest versions only)",
])

on_one_drive if {
	count(input.old_workload.engine.data_dirs) == 1
	object.get(input.old_workload, "replicas", 1) <= 1
	every container in input.old_workload.containers {
		not of_several_drives(container)
	}
}

# Drives that are counted ({1...4}), other servers, and Bitnami's switch.
of_several_drives(container) if {
	said := array.concat(
		array.concat(container.command, container.args),
		[object.get(variable, "value", "") | some variable in container.env; startswith(variable.name, "MINIO_")],
	)
	some text in said
	regex.match(`\.\.\.|\sgateway\s`, concat("", [" ", text, " "]))
}

# Drives one by one (server /a /b), or one that is an address, which only a distributed MinIO takes.
of_several_drives(container) if {
	some words in served(container)
	drives := regex.find_n(`\s["']?(/|https?://)`, regex.replace(words, value_of_a_flag, ""), -1)
	several(drives)
}

several(drives) if count(drives) > 1

several(drives) if {
	some drive in drives
	endswith(drive, "://")
}

# Some flags have no value.
value_of_a_flag := `\s--?(quiet|anonymous|json|(no-)?compat|[A-Za-z-]+[=\s]\s*[^\s]+)`

served(container) := array.concat(
	[said[1] |
		text := replace(concat(" ", array.concat(container.command, container.args)), "\\\n", " ")
		some said in regex.find_all_string_submatch_n(`(?:^|\s)server((?:[^\S\n]+[^\s;&|<>]+)+)`, text, -1)
	],
	[sprintf(" %s", [variable.value]) | some variable in container.env; variable.name == "MINIO_VOLUMES"],
)

of_several_drives(container) if {
	some variable in container.env
	startswith(variable.name, "MINIO_DISTRIBUTED_")
	object.get(variable, "value", "elsewhere") != "no"
}

# One annotation cannot confirm two steps.
told_as_a_step if {
	change := versions.change
	obstacle(change.old, change.new, versions.software(input.workload))
}

# Of one product: image-version-downgrade tells of that.
back(old, new) if {
	versions.software(old) == versions.software(new)
	versions.goes_back(old.engine, new.engine, 2)
}

upgraded_by_its_image if {
	input.workload.engine.name == "influxdb"
	some container in input.workload.containers
	some variable in container.env
	variable.name == "DOCKER_INFLUXDB_INIT_MODE"
	variable.value == "upgrade"
}

# By a switch that is on, or that something out of sight may turn on.
told_to_upgrade(row) if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	switched_on(container, row.switch)
}

switched_on(container, name) if {
	some variable in container.env
	variable.name == sprintf("MEILI_%s", [upper(name)])
	not lower(object.get(variable, "value", "from elsewhere")) in {"false", "0", "no", "off"}
}

switched_on(container, name) if {
	some given in settings.given(container)
	given.name == replace(name, "_", "-")
}

switched_on(container, _) if container.env_from

switched_on(container, _) if not settings.shown(container)

switched_on(container, _) if {
	some text in array.concat([variable.name | some variable in container.env], array.concat(container.command, container.args))
	regex.match(`(?i)^(--config-file-path|MEILI_CONFIG_FILE_PATH)`, text)
}

label(workload) := sprintf("%s %s", [versions.software(workload), workload.engine.version]) if {
	workload.engine.version
} else := versions.software(workload)

# A row without the versions that are reached means all of them.
reaches(row) if not row.to

reaches(row) if within(input.workload.engine, row.to)

stays if {
	versions.software(input.old_workload) == versions.software(input.workload)
	array.slice(input.old_workload.engine.release, 0, 2) == array.slice(input.workload.engine.release, 0, 2)
}

# From the first release of a range on, and below the second.
within(engine, [first, end]) if {
	release := engine.release
	not versions.below(release, first)
	versions.below(release, end)
}

# Neither the dump nor replication gets from one to the other; commands do.
as_commands := concat(" ", [
	"Keep the image, and start the new one as a workload of its own; stop the clients, have the old one write commands",
	"(CONFIG SET aof-use-rdb-preamble no, then BGREWRITEAOF, or CONFIG SET appendonly yes if it was off), wait until",
	"INFO persistence says aof_rewrite_in_progress:0, and send appendonlydir/*.base.aof to the new one with redis-cli",
	"--pipe: what it has no type for counts as errors there, and is left behind",
])

emptied := "if there are no data to keep, and the old files are off the volume"

replacements := [
	{
		"engine": "influxdb",
		"old": `^influxdb`,
		"new": `^influxdb`,
		"from": ["1", "2"],
		"to": ["2", "3"],
		"harm": "it does not read the files of 1.x, and starts empty",
		"way": concat(" ", [
			"Keep the image; or save the data (influxd backup -portable), and let the image of 2.x upgrade a copy of the volume",
			"(DOCKER_INFLUXDB_INIT_MODE=upgrade)",
		]),
	},
	{
		"engine": "influxdb",
		"old": `^influxdb`,
		"new": `^influxdb`,
		"from": ["1", "3"],
		"to": ["3", "9"],
		"harm": "it does not read the files of the older one, and starts empty",
		"way": "Keep the image; start 3.x as a workload of its own, and write the data into it from the one that runs",
	},
	{
		"engine": "neo4j",
		"old": `^neo4j`,
		"new": `^neo4j`,
		"from": ["3", "5"],
		"to": ["5", "9999"],
		"harm": "it does not start its databases on a store of 4.x",
		"way": "Keep the image; or from 4.4, stop it, and run neo4j-admin database migrate of 5.26 on a copy of the volume, which 5.26 then starts on",
	},
	{
		"engine": "meilisearch",
		"old": `^meilisearch`,
		"new": `^meilisearch`,
		"from": ["0", "1.12"],
		"to": ["0", "2"],
		"harm": "before 1.12, no version starts on the files of another",
		"way": "Make a dump with the version that runs (POST /dumps), and start the new one on an empty volume with --import-dump",
	},
	{
		"engine": "meilisearch",
		"old": `^meilisearch`,
		"new": `^meilisearch`,
		"from": ["1.12", "2"],
		"to": ["1.13", "1.51"],
		"switch": "experimental_dumpless_upgrade",
		"harm": "it does not start on the files of another version unless it is told to upgrade them",
		"way": concat(" ", [
			"Make a dump first (POST /dumps), for there is no way back; then set MEILI_EXPERIMENTAL_DUMPLESS_UPGRADE=true",
			"on the container",
		]),
		"or_else": "if there are no data to keep",
	},
	{
		"engine": "meilisearch",
		"old": `^meilisearch`,
		"new": `^meilisearch`,
		"from": ["1.12", "2"],
		"to": ["1.51", "2"],
		"switch": "upgrade_db",
		"harm": "it does not start on the files of another version unless it is told to upgrade them",
		"way": "Make a dump first (POST /dumps), for there is no way back; then set MEILI_UPGRADE_DB=true on the container",
		"or_else": "if there are no data to keep",
	},
	{
		"engine": "postgres",
		"old": `^timescaledb$`,
		"new": `^(postgres|postgis|pgvector)$`,
		"from": ["0", "99"],
		"to": ["0", "99"],
		"harm": "postgresql.conf in the data loads timescaledb, which this image lacks, so it does not start",
		"way": "Keep the image; or dump the data, and load them into a new database of its own",
	},
	{
		"engine": "redis",
		"old": `^redis`,
		"new": `^valkey`,
		"from": ["7.4", "99"],
		"harm": "Valkey does not start on what Redis 7.4 or later has written (\"Can't handle RDB format version\")",
		"way": sprintf("%s; Valkey 9 may read a copy of the volume with rdb-version-check relaxed, if Redis used no type that it lacks", [as_commands]),
		"or_else": emptied,
	},
	{
		"engine": "redis",
		"old": `^(redis|valkey)`,
		"new": `^keydb`,
		"from": ["7", "99"],
		"harm": "KeyDB reads what Redis 6 writes, and does not start on files of 7.0 or later (\"Can't handle RDB format version\")",
		"way": as_commands,
		"or_else": emptied,
	},
	{
		"engine": "redis",
		"old": `^valkey`,
		"new": `^redis`,
		"from": ["9", "99"],
		"harm": "Redis does not start on what Valkey 9 has written, which begins with a signature of its own",
		"way": as_commands,
		"or_else": emptied,
	},
	{
		"engine": "redis",
		"old": `^valkey`,
		"new": `^redis`,
		"from": ["7", "9"],
		"to": ["0", "7.2"],
		"harm": "Redis before 7.2 does not start on what Valkey has written (\"Can't handle RDB format version 11\")",
		"way": "Keep the image; or take Redis 7.2 or later",
		"or_else": emptied,
	},
	{
		"engine": "elasticsearch",
		"old": `^elasticsearch`,
		"new": `^opensearch`,
		"from": ["7.11", "99"],
		"to": ["1", "99"],
		"harm": "OpenSearch does not start on the data of Elasticsearch from 7.11 on",
		"way": "Keep the image; start OpenSearch as a workload of its own, make each index there with its settings and mappings, and reindex from remote",
	},
	{
		"engine": "elasticsearch",
		"old": `^elasticsearch`,
		"new": `^opensearch`,
		"from": ["7", "7.11"],
		"to": ["3", "99"],
		"harm": "OpenSearch 3 does not start on indices that Elasticsearch created",
		"way": concat(" ", [
			"Make a backup; go by way of OpenSearch 1.3 and 2.19, one update each, and on 2.19 reindex every index that an older",
			"major version created",
		]),
		"or_else": "if there are no data to keep",
	},
	{
		"engine": "elasticsearch",
		"old": `^opensearch`,
		"new": `^elasticsearch`,
		"from": ["1", "99"],
		"to": ["1", "99"],
		"harm": "Elasticsearch does not start on the data of OpenSearch",
		"way": "Keep the image; start Elasticsearch as a workload of its own, make each index there with its settings and mappings, and reindex from remote",
	},
]

named(engine) := "opensearch" if {
	engine.name == "elasticsearch"
	startswith(versions.software(input.workload), "opensearch")
} else := engine.name

# MariaDB is a fork of MySQL, and their file formats have diverged.
family(workload) := "mariadb" if {
	workload.engine.name == "mysql"
	startswith(versions.software(workload), "mariadb")
} else := "mysql" if {
	workload.engine.name == "mysql"
	software := versions.software(workload)
	some prefix in ["mysql", "percona"]
	startswith(software, prefix)
}

obstacle(old, new, software) := "it knows no ZooKeeper, and the metadata of this one is there" if {
	kraft_only := {"kafka": 4, "cp-kafka": 8, "cp-server": 8}[software]
	new.major >= kraft_only
	old.major < kraft_only
	some container in input.old_workload.containers
	some variable in container.env
	endswith(lower(variable.name), "zookeeper_connect")
	object.get(variable, "value", "elsewhere") != ""
} else := "the new major version does not start on the old one's files" if {
	new.name in input.parameters.needs_migration
	new.major > old.major
} else := text if {
	count(skipped(old, new)) > 0
	text := sprintf("it skips %s, which must run in between", [concat(" and ", skipped(old, new))])
} else := text if {
	next_in_series(old, new)
	text := sprintf("it does not start on data whose featureCompatibilityVersion is below %s", [series_of(old)])
} else := "it skips a major version that must run in between" if {
	new.name in input.parameters.one_major_at_a_time
	new.major > old.major + 1
} else := "it skips a minor version that must run in between" if {
	new.name in input.parameters.one_minor_at_a_time
	new.release[0] == old.release[0]
	new.release[1] > old.release[1] + 1
} else := text if {
	reached := new.release
	steps := [[[to_number(part) | some part in split(oldest, ".")], oldest] |
		some target, oldest in input.parameters.comes_from
		[image, version] := split(target, "/")
		image == software
		versions.below(old.release, oldest)
		versions.below(old.release, version)
		not versions.below(reached, version)
	]
	text := sprintf("it has to come from %s or later", [max(steps)[1]])
} else := "security is on by default, and without TLS between its nodes it does not start" if {
	leaves_security_to_defaults(old, new, software)
}

# Of the images that Elastic makes, with nothing in sight or out of sight that decides on security.
leaves_security_to_defaults(old, new, "elasticsearch") if {
	old.major == 7
	new.major == 8
	before := old.release
	not versions.below(before, "7.17")
	some container in input.workload.containers
	container.name == input.workload.engine.container
	regex.match(`(^|/)(elasticsearch|library)/elasticsearch$`, container.image.repository)
	not container.env_from
	count(container.command) == 0
	every text in array.concat(container.args, [variable.name | some variable in container.env]) {
		not regex.match(`(?i)security|discovery[._]type|es_path_conf|network[._]host|\s`, text)
	}
	every mount in container.mounts {
		not paths.within(mount.mount_path, "/usr/share/elasticsearch/config")
		not paths.within("/usr/share/elasticsearch/config", mount.mount_path)
	}
}

# The series between two versions. A minor release (MongoDB 8.2) is reached from the series with its first number.
skipped(old, new) := array.slice(all, place(all, old.release) + 1, place(all, new.release) + between(all, new)) if {
	all := input.parameters.series[new.name]
	place(all, new.release) > place(all, old.release)
} else := []

between(all, engine) := 1 if {
	[major, minor] := array.slice(engine.release, 0, 2)
	minor > 0
	name := sprintf("%d.%d", [major, minor])
	not name in all
} else := 0

next_in_series(old, new) if {
	all := input.parameters.series[new.name]
	place(all, new.release) == place(all, old.release) + 1
}

# From a series to a minor release after it, and from one of those to the next.
next_in_series(old, new) if {
	all := input.parameters.series[new.name]
	place(all, new.release) == place(all, old.release)
	between(all, new) == 1
	new.release[1] > old.release[1]
}

# A series that is newer than the table.
next_in_series(old, new) if {
	all := input.parameters.series[new.name]
	new.major == old.major + 1
	release := new.release
	not place(all, release)
}

# Where the tag shows the first number only, or a release between two series, the last series with that number.
place(all, release) := i if {
	some i, name in all
	name == sprintf("%d.%d", [release[0], release[1]])
} else := max(same) if {
	same := {i | some i, name in all; startswith(name, sprintf("%d.", [release[0]]))}
	count(same) > 0
}

series_of(engine) := sprintf("%d.%d", [engine.release[0], engine.release[1]]) if {
	all := input.parameters.series[engine.name]
	place(all, engine.release)
	between(all, engine) == 1
} else := name if {
	all := input.parameters.series[engine.name]
	name := all[place(all, engine.release)]
} else := sprintf("%d.0", [engine.major])

way(old, new) := "migrate the data (pg_upgrade, dump and restore, or replication into a new database), then confirm" if {
	new.name == "postgres"
} else := "migrate the data as the vendor says, then confirm" if {
	new.name in input.parameters.needs_migration
} else := text if {
	through := skipped(old, new)
	count(through) > 0
	text := sprintf(
		"go through %s, one update each, and on the primary %s; if there are no data to keep",
		[concat(" and ", through), concat(", ", [sprintf("on %s run %s", [series, raise(series)]) |
			some series in array.concat([series_of(old)], through)
		])],
	)
} else := text if {
	next_in_series(old, new)
	text := sprintf(
		"while %s still runs, run %s on the primary (with \"%s\" not before the new version has proved itself), then confirm",
		[series_of(old), raise(series_of(old)), series_of(new)],
	)
} else := text if {
	new.name == "kafka"
	text := concat(" ", [
		"go by way of 3.9 (of Confluent, 7.9): there, a cluster with ZooKeeper must first migrate to KRaft",
		"(zookeeper.metadata.migration.enable), and one with KRaft raise its metadata version (kafka-features.sh upgrade",
		"--metadata 3.9); if there are no data to keep",
	])
} else := text if {
	new.name == "scylla"
	text := concat(" ", [
		"go through the versions in between, each on all nodes before the next, and do what the vendor's guide for each",
		"step says; if there are no data to keep",
	])
} else := text if {
	new.name == "rabbitmq"
	text := concat(" ", [
		"go through the versions in between, one update each, wait for every member, and from 3.8 on run rabbitmqctl",
		"enable_feature_flag all before each; if there are no data to keep",
	])
} else := text if {
	new.name == "cockroach"
	text := concat(" ", [
		"go through the versions in between, one update each, and wait until each is finalized",
		"(SHOW CLUSTER SETTING version); if there are no data to keep",
	])
} else := text if {
	new.name == "cassandra"
	text := concat(" ", [
		"go through each major version in between, one update each, and run nodetool upgradesstables on every node before the",
		"next; if there are no data to keep",
	])
} else := text if {
	new.name == "elasticsearch"
	leaves_security_to_defaults(old, new, versions.software(input.workload))
	text := concat(" ", [
		"while 7.17 still runs, turn security on with TLS between the nodes (xpack.security.transport.ssl.*); or set",
		"xpack.security.enabled=false on the container, which leaves the cluster open to all who reach it, as it is now; if",
		"the image brings settings of its own",
	])
} else := text if {
	new.name == "elasticsearch"
	text := concat(" ", [
		"go by way of the last minor version of each major one, one update each, and before each reindex every index that an",
		"older major version created, or the new nodes do not start; if there are no data to keep",
	])
} else := "go through the versions in between, one update each, and wait for every member; if there are no data to keep"

# From 7.0 on, the server asks for a confirmation of its own.
raise(series) := sprintf("db.adminCommand({setFeatureCompatibilityVersion: \"%s\", confirm: true})", [series]) if {
	to_number(split(series, ".")[0]) >= 7
} else := sprintf("db.adminCommand({setFeatureCompatibilityVersion: \"%s\"})", [series])
