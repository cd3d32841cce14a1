# METADATA
# title: Data stores run versions that still get fixes
# description: >-
#   A version past its end of life gets no more fixes, neither for security nor for data corruption; and the longer it
#   stays, the more versions lie between it and one that it can be upgraded to. A few releases are known to damage
#   data. The version in the tag is compared with min_versions, ended and known_bad, which are keyed by the last part of the
#   image's repository, since images of one engine are numbered differently (mysql and mariadb). The lists are from
#   November 2026: set your own if you retire versions earlier or later, or buy extended support. Images whose tag
#   shows no version pass, and so do those that neither the data store's makers nor a known packager publish: their
#   tags may be versions of their own. For MySQL, the fix names options that 8.4 does not start with.
# related_resources:
# - ref: https://endoflife.date/
# - ref: https://www.postgresql.org/support/versioning/
# - ref: https://www.mongodb.com/legal/support-policy/lifecycles
# - ref: https://dev.mysql.com/doc/refman/9.1/en/mysql-releases.html
#   description: An innovation series is supported until the next one.
# - ref: https://www.rabbitmq.com/release-information
# - ref: https://github.com/etcd-io/etcd/blob/main/Documentation/postmortems/v3.5-data-inconsistency.md
# - ref: https://mariadb.com/docs/server/server-management/install-and-upgrade-mariadb/upgrading/mariadb-community-server-upgrade-paths/general-upgrade-information
#   description: Only rolling upgrades of Galera go through every major version.
# - ref: https://www.elastic.co/guide/en/elasticsearch/reference/7.17/setup-upgrade.html
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/install/upgrade/standalone/
# - ref: https://dev.mysql.com/doc/refman/8.4/en/added-deprecated-removed.html
#   description: The options that MySQL 8.4 no longer knows.
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, Pod]}
#   parameters:
#     min_versions:
#       type: map
#       of: string
#       default:
#         postgres: "15"
#         postgresql: "15"
#         postgis: "15"
#         mysql: "8.4"
#         mariadb: "10.11"
#         mongo: "7.0"
#         mongodb: "7.0"
#         mongodb-community-server: "7.0"
#         redis: "6.2"
#         etcd: "3.5"
#         rabbitmq: "4.3"
#         cassandra: "4.0"
#         zookeeper: "3.8"
#         elasticsearch: "8.19"
#       description: The oldest version that passes, by the last part of the image's repository.
#     known_bad:
#       type: map
#       of: list
#       default: {etcd: ["3.5.0", "3.5.1", "3.5.2"]}
#       description: Versions that damage data, by the last part of the image's repository.
#     ended:
#       type: map
#       of: list
#       default:
#         mariadb: ["11.0", "11.1", "11.2", "11.3", "11.5", "11.6", "11.7", "12.0"]
#         mysql: ["9.0", "9.1", "9.2", "9.3", "9.4", "9.5", "9.6"]
#         mongo: ["7.1", "7.2", "7.3"]
#         mongodb: ["7.1", "7.2", "7.3"]
#         mongodb-community-server: ["7.1", "7.2", "7.3"]
#       description: Short series between those with long support that got their last fix, by the last part of the image's repository.
#   fix: Plan the upgrade to a version that its vendor still supports, by the steps that its documentation gives.
#   why: "bugs that corrupt or expose data stay unfixed in this version"
package stategate.lifecycle.engine_version_supported

import data.stategate.lib.settings
import data.stategate.lib.versions

violation contains v if {
	engine := input.workload.engine
	versions.official(input.workload)
	image := listed_as(versions.software(input.workload))
	version := concat(".", [sprintf("%d", [number]) | some number in engine.release])
	[what, remedy] := fault(image, version)
	v := {
		"msg": sprintf("%s %s %s", [image, version, what]),
		"path": engine.path,
		"fix": remedy,
	}
}

# elasticsearch-oss counts as elasticsearch; pgvector:pg13 and timescaledb:2.14.2-pg14 give PostgreSQL's version as well as their own.
listed_as(software) := plain if {
	plain := regex.replace(software, `-(amd64|arm64|oss|server)$`, "")
	not input.parameters.min_versions[software]
	input.parameters.min_versions[plain]
} else := "postgres" if {
	not input.parameters.min_versions[software]
	versions.tells_major(input.workload)
} else := software

fault(image, version) := [what, remedy] if {
	version in input.parameters.known_bad[image]
	what := "is known to damage data"
	remedy := sprintf("Make a backup, and upgrade %s to the newest patch of its series", [image])
} else := [what, remedy] if {
	oldest := input.parameters.min_versions[image]
	versions.below(input.workload.engine.release, oldest)
	what := sprintf("gets no more fixes: %s is the oldest series that does", [oldest])
	remedy := step(image, oldest)
} else := [what, remedy] if {
	[major, minor] := array.slice(input.workload.engine.release, 0, 2)
	series := sprintf("%d.%d", [major, minor])
	series in input.parameters.ended[image]
	what := sprintf("gets no more fixes: %s was a short series between those with long support", [series])
	remedy := sprintf("Make a backup, and upgrade %s to a later series with long support, %s", [image, way(image)])
}

step(image, oldest) := concat("", [
	sprintf("Dump the data (once 8.4 has run on it, 8.0 cannot read it), then upgrade mysql to %s or later, one series after the other", [oldest]),
	without,
	". In 8.4, users of mysql_native_password log in only with --mysql-native-password=ON, an option that 8.0 does not know,",
	" and in 9 not at all: give them caching_sha2_password first",
]) if {
	image == "mysql"
	input.workload.engine.name == "mysql"
	versions.below([8, 3], oldest)
} else := sprintf("Make a backup, and upgrade %s to %s or later, %s", [image, oldest, way(image)])

# What MySQL does not know makes it stop at its start.
without := sprintf(". 8.4 does not start with %s: take that out in the same change", [concat(", ", shown)]) if {
	shown := {option.shown |
		some option in options
		name := regex.replace(option.name, `^(disable|enable|loose|skip)-`, "")
		count({option.name, name} & removed) > 0
	}
	count(shown) > 0
} else := ""

options := {{"name": option.name, "shown": sprintf("--%s", [option.name])} |
	some container in own
	some option in settings.given(container)
} | {{"name": option.name, "shown": sprintf("%s (in %s)", [option.shown, option.file])} |
	some container in own
	some option in settings.in_files(container, `\.cnf$`)
} | {{"name": name, "shown": sprintf("--%s (in %s)", [name, variable.name])} |
	some container in own
	some variable in container.env
	variable.name == "MYSQL_EXTRA_FLAGS"
	some flag in regex.find_n(`--[A-Za-z0-9_-]+`, variable.value, -1)
	name := replace(trim_left(flag, "-"), "_", "-")
}

own := [container | some container in input.workload.containers; container.name == input.workload.engine.container]

# Between 8.0 and 8.4.
removed := {
	"abort-slave-event-count", "admin-ssl", "authentication-fido-rp-id", "avoid-temporal-upgrade",
	"binlog-transaction-dependency-tracking", "daemon-memcached-enable-binlog", "daemon-memcached-option",
	"default-authentication-plugin", "disconnect-slave-event-count", "expire-logs-days", "group-replication-ip-whitelist",
	"group-replication-recovery-complete-at", "keyring-encrypted-file-data", "keyring-encrypted-file-password",
	"keyring-file-data", "language", "log-bin-use-v1-row-events", "master-info-file", "master-info-repository", "new",
	"no-dd-upgrade", "old", "old-style-user-limits", "relay-log-info-file", "relay-log-info-repository",
	"show-old-temporals", "skip-host-cache", "skip-ssl", "slave-rows-search-algorithms", "ssl",
	"transaction-write-set-extraction",
}

way(image) := concat(" ", [
	"in one step from any version (of Galera, with all nodes stopped), then run mariadb-upgrade",
	"(MARIADB_AUTO_UPGRADE=1 on the official image)",
]) if {
	image == "mariadb"
} else := "by pg_upgrade or dump and restore (from any version)" if {
	input.workload.engine.name == "postgres"
} else := concat(" ", [
	"by way of the last minor version of each major one (5.6, 6.8, 7.17), before each major version reindexing every",
	"index that an older one created (else the new nodes do not start)",
]) if {
	input.workload.engine.name == "elasticsearch"
	input.workload.engine.major < 8
} else := "in one step within 8, one node after the other" if {
	input.workload.engine.name == "elasticsearch"
	input.workload.engine.major == 8
} else := "in one step as far as 7 (8 is supported from 7 only), replicas before their primary" if {
	input.workload.engine.name == "redis"
} else := "one series after the other, setting setFeatureCompatibilityVersion after each" if {
	input.workload.engine.name == "mongodb"
} else := concat(" ", [
	"by way of 4.2 (before 4, of 3.13 first, one series after the other),",
	"enabling all feature flags before each",
]) if {
	input.workload.engine.name == "rabbitmq"
} else := "one major version after the other, with nodetool upgradesstables on every node before the next" if {
	input.workload.engine.name == "cassandra"
} else := "one series after the other" if {
	input.workload.engine.name in {"etcd", "mysql"}
} else := "by the steps that its documentation gives"
