# METADATA
# title: PostgreSQL keeps its C library
# description: >-
#   PostgreSQL sorts text with its C library. Alpine images use a different C library (musl) from all others (glibc),
#   and it sorts differently: after a change between them, indexes on text no longer find the rows they hold, unique
#   indexes admit duplicates, and no error shows it until someone checks. This policy flags an update from an Alpine
#   image to another image of the same major version, or back. With another major version the data is migrated anyway,
#   which image-major-upgrade-guard covers. Databases with collations of their own (ICU, or C throughout) are not
#   affected: confirm the change. Otherwise reindex right after it. Tags that name no flavour count as glibc, except
#   for the images in musl_images.
# related_resources:
# - ref: https://wiki.postgresql.org/wiki/Locale_data_changes
# - ref: https://www.postgresql.org/docs/current/collation.html
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   parameters:
#     engines:
#       type: list
#       of: string
#       default: [postgres]
#       description: Engines whose files depend on the C library.
#     musl_images:
#       type: list
#       of: string
#       default: [timescaledb]
#       description: Images, by the last part of their repository, that use Alpine although the tag does not say so.
#   fix: >-
#     Keep the image's flavour. To change it, stop the clients until all is reindexed, then: kubectl annotate KIND NAME
#     stategate.io/confirm-version-change='glibc->musl'
#   why: "indexes on text stop finding rows and unique indexes admit duplicates, without any error"
package stategate.lifecycle.image_flavour_change

import data.stategate.lib.confirm
import data.stategate.lib.pod_data
import data.stategate.lib.versions

violation contains v if {
	# A new database builds its indexes anew.
	not pod_data.gone
	not leaves_timescaledb
	change := versions.change
	change.new.name in input.parameters.engines
	change.new.major == change.old.major
	before := library(input.old_workload, change.old.flavour)
	after := library(input.workload, change.new.flavour)
	before != after
	step := sprintf("%s->%s", [before, after])
	why := confirm.missing(input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf(
			"%s changes its C library (%s): it sorts text differently, which breaks its indexes, and %s",
			[change.new.name, step, why],
		),
		"path": change.new.path,
		"fix": sprintf(
			"Keep the image's flavour; or stop the clients, and REINDEX DATABASE each one before they return (tables partitioned by text need a dump and restore); confirm: %s",
			[confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)],
		),
	}
}

# It does not start at all: image-major-upgrade-guard tells of that.
leaves_timescaledb if {
	startswith(versions.software(input.old_workload), "timescaledb")
	now := versions.software(input.workload)
	not startswith(now, "timescaledb")
}

library(workload, flavour) := "musl" if {
	startswith(flavour, "alpine")
} else := "musl" if {
	flavour == ""
	versions.software(workload) in input.parameters.musl_images
} else := "glibc"
