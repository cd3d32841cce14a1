# METADATA
# title: PostgreSQL keeps its C library
# description: >-
#   PostgreSQL sorts text as its C library does. Alpine images have another C library (musl) than all others (glibc), and
#   it sorts differently: after a change between them indexes on text no longer find what they hold, unique ones let
#   duplicates in, and nothing says so until somebody checks.
#   Found is an update between an Alpine image and another one of the same major version. With another major the data
#   is migrated anyway, which image-major-upgrade-guard asks about. Databases with collations of their own (ICU, or C
#   throughout) are not affected: confirm. Reindex right after the change. Tags that name no flavour count as glibc, but for the images
#   in musl_images.
# related_resources:
# - ref: https://wiki.postgresql.org/wiki/Locale_data_changes
# - ref: https://www.postgresql.org/docs/current/collation.html
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   parameters:
#     engines: {type: list, of: string, default: [postgres], description: Engines whose files depend on the C library.}
#     musl_images:
#       type: list
#       of: string
#       default: [timescaledb]
#       description: Images, by the last part of their repository, that are Alpine without saying so in the tag.
#   fix: "Keep the image's flavour. To change it, plan to reindex, then: kubectl annotate KIND NAME stategate.io/confirm-version-change='glibc->musl'"
package stategate.lifecycle.image_flavour_change

import data.stategate.lib.confirm
import data.stategate.lib.versions

violation contains v if {
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
			"Keep the image's flavour; or plan to reindex every database right after, and confirm: %s",
			[confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)],
		),
	}
}

library(workload, flavour) := "musl" if {
	startswith(flavour, "alpine")
} else := "musl" if {
	flavour == ""
	versions.software(workload) in input.parameters.musl_images
} else := "glibc"
