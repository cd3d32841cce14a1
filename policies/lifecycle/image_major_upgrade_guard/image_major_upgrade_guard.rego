# METADATA
# title: Major upgrades of data stores are deliberate
# description: >-
#   A new major version of PostgreSQL does not start on the files of the old one: a changed tag is an outage until
#   someone migrates the data. Other engines upgrade in place, but one release series after the other; skipping one
#   leaves nodes that do not start, on data that is half converted. An update needs confirmation if PostgreSQL's major
#   version rises, if an engine of one_major_at_a_time rises by more than one major version, or one of
#   one_minor_at_a_time by more than one minor version, and if a version of comes_from is reached from a version that
#   its vendor does not support as a starting point. MySQL and MariaDB do not open each other's files, so a change
#   between them needs confirmation too. Tags of the same image are compared and, for PostgreSQL, also tags of
#   different images where they show its major version (pg17). Images whose tag shows no version pass. Images that
#   migrate by themselves need confirmation like all others. Downgrades are checked by image-version-downgrade. Files
#   are compared with their previous version (`--old`).
# related_resources:
# - ref: https://www.postgresql.org/docs/current/upgrading.html
# - ref: https://www.mongodb.com/docs/manual/release-notes/8.0-upgrade-replica-set/
# - ref: https://www.elastic.co/docs/deploy-manage/upgrade
# - ref: https://etcd.io/docs/v3.6/upgrades/upgrading-etcd/
# - ref: https://www.rabbitmq.com/docs/upgrade#rabbitmq-version-upgradability
# - ref: https://dev.mysql.com/doc/refman/8.4/en/upgrade-paths.html
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
#     one_minor_at_a_time:
#       type: list
#       of: string
#       default: [etcd]
#       description: Engines that must not skip a minor version.
#     comes_from:
#       type: map
#       of: string
#       default:
#         elasticsearch/8: "7.17"
#         elasticsearch/9: "8.18"
#         rabbitmq/4: "3.13"
#         mysql/8.4: "8.0"
#         mysql/9: "8.4"
#         kafka/4: "3.3"
#       description: >-
#         The oldest version that may be upgraded to the given version or later, by the last part of the image's
#         repository.
#   fix: >-
#     Migrate the data as the vendor documents, with a fresh backup, then: kubectl annotate KIND NAME
#     stategate.io/confirm-version-change='OLD->NEW'
#   why: "members may not start, and a skipped version can leave the data half converted"
package stategate.lifecycle.image_major_upgrade_guard

import data.stategate.lib.confirm
import data.stategate.lib.versions

violation contains v if {
	change := versions.change
	danger := obstacle(change.old, change.new, versions.software(input.workload))
	why := versions.doubt
	v := {
		"msg": sprintf("%s goes %s: %s, and %s", [change.new.name, change.text, danger, why]),
		"path": change.new.path,
		"fix": sprintf("%s; make a backup, then confirm: %s", [way(change.new.name), versions.command]),
	}
}

violation contains v if {
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

obstacle(old, new, software) := "the new major version does not start on the old one's files" if {
	new.name in input.parameters.needs_migration
	new.major > old.major
} else := "it skips a major version that must run in between" if {
	new.name in input.parameters.one_major_at_a_time
	new.major > old.major + 1
} else := "it skips a minor version that must run in between" if {
	new.name in input.parameters.one_minor_at_a_time
	new.release[0] == old.release[0]
	new.release[1] > old.release[1] + 1
} else := text if {
	reached := new.release
	steps := [oldest |
		some target, oldest in input.parameters.comes_from
		[image, version] := split(target, "/")
		image == software
		versions.below(old.release, oldest)
		versions.below(old.release, version)
		not versions.below(reached, version)
	]
	text := sprintf("it has to come from %s or later", [steps[count(steps) - 1]])
}

way(name) := "Migrate the data first (pg_upgrade, dump and restore, or replication into a new database)" if {
	name == "postgres"
} else := "Migrate the data first, as the vendor says" if {
	name in input.parameters.needs_migration
} else := "Go through the versions in between, one update each, and wait for every member"
