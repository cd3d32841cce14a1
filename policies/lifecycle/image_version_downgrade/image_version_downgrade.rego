# METADATA
# title: A data store's version never goes back
# description: >-
#   A newer version has often rewritten the files on disk. An older one then does not start, or starts and misreads
#   them. The way back from an upgrade is the backup that was made before it. This policy compares the image tags before
#   and after an update of the same software and, for PostgreSQL, also tags of different images where they show its
#   major version. The numbers that stand for an on-disk format are the first two for most engines, the first for
#   PostgreSQL and all three for Elasticsearch (significant_numbers). Going back only in the numbers after those is a
#   patch rollback and passes, unless it goes below a release of patches_count_below: below 8.0.35, MySQL 8.0 does not
#   support going back even by a patch. TimescaleDB on the same version of PostgreSQL is compared by the version of the
#   extension, since an image lacks the libraries of newer ones. Images whose tag shows no version pass as well, such as
#   a digest alone or a name, and so do images of others whose numbers the data store has never had: those are versions
#   of their own. MinIO's dates pass, too: a release that does not start on the data is left by going back. Where the
#   vendor supports the downgrade, confirm it with the annotation. Data that goes with the old pods meets no older
#   version. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates
# - ref: https://www.postgresql.org/docs/current/upgrading.html
# - ref: https://dev.mysql.com/doc/refman/8.4/en/downgrading.html
# - ref: https://etcd.io/docs/v3.6/downgrades/
# - ref: https://github.com/timescale/timescaledb/issues/9072
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   parameters:
#     significant_numbers:
#       type: map
#       of: integer
#       default: {postgres: 1, elasticsearch: 3}
#       description: How many leading numbers of a version stand for an on-disk format, by engine; 2 for all others.
#     patches_count_below:
#       type: map
#       of: string
#       default: {mysql: "8.0.35", mysql-server: "8.0.35", percona: "8.0.35", percona-server: "8.0.35"}
#       description: >-
#         A release below which patches of its series cannot be rolled back, by the last part of the image's
#         repository.
#   fix: >-
#     Keep the version; to go back, restore the backup from before the upgrade. If the vendor supports it: kubectl
#     annotate KIND NAME stategate.io/confirm-version-change='OLD->NEW'
#   why: "some older versions do start on newer files, and misread them"
package stategate.lifecycle.image_version_downgrade

import data.stategate.lib.pod_data
import data.stategate.lib.versions

violation contains v if {
	change := versions.change
	not pod_data.gone
	backwards(change.old, change.new)
	why := versions.doubt
	v := {
		"msg": sprintf(
			"%s goes %s: the older version may not read what the newer one has written, and %s",
			[change.new.name, change.text, why],
		),
		"path": change.new.path,
		"fix": sprintf(
			"Keep it; to go back, load a backup from before the upgrade into a new volume; if the vendor supports it: %s",
			[versions.command],
		),
	}
}

# An image of TimescaleDB has the libraries of its own version and of older ones. A database whose extension is newer
# finds none that it can load.
violation contains v if {
	change := versions.change
	versions.software(input.workload) == "timescaledb"
	change.new.major == change.old.major
	not pod_data.gone
	before := change.old.version
	after := change.new.version
	regex.match(of_extension, before)
	regex.match(of_extension, after)
	parts_of(after) < parts_of(before)
	why := versions.doubt
	v := {
		"msg": sprintf(
			"timescaledb goes %s: a database whose extension was made or updated with %s does not find its library, and %s",
			[change.text, before, why],
		),
		"path": change.new.path,
		"fix": sprintf(
			"Keep it; if SELECT extversion FROM pg_extension WHERE extname = 'timescaledb' says %s or older in every database: %s",
			[after, versions.command],
		),
	}
}

of_extension := `^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$`

parts_of(version) := [to_number(part) | some part in split(version, ".")]

backwards(old, new) if new.major < old.major

# The numbers in the tag are not always the engine's (2.17.2-pg16), so the majors are compared first.
backwards(old, new) if {
	new.major == old.major
	numbers := significant(old, new)
	versions.goes_back(old, new, numbers)
}

# Within the series of a release in the map, every patch below that release counts.
significant(old, new) := 3 if {
	floor := input.parameters.patches_count_below[versions.software(input.workload)]
	series := concat(".", array.slice(split(floor, "."), 0, 2))
	startswith(old.version, concat("", [series, "."]))
	startswith(new.version, concat("", [series, "."]))
	versions.below(new.release, floor)
} else := object.get(input.parameters.significant_numbers, new.name, 2)
