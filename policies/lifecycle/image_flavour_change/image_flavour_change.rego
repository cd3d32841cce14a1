# METADATA
# title: PostgreSQL keeps its C library
# description: >-
#   PostgreSQL sorts text with its C library. Alpine images use a different C library (musl) from all others (glibc),
#   and it sorts differently: after a change between them, indexes on text no longer find the rows they hold, unique
#   indexes admit duplicates, and no error shows it until someone checks. The same happens where glibc changes to 2.28
#   or later, as from Debian 9 (stretch) to any later release; since then, glibc sorts almost all languages as before.
#   This policy flags an update from an Alpine image to another image of the same major version, or back, and from a
#   distribution with a glibc before 2.28 to one with a later one, or back, if both tags name theirs (stretch, bionic,
#   debian-9, ubi7). With another major version the data is migrated anyway, which image-major-upgrade-guard covers.
#   Databases with collations of their own (ICU, or C throughout) are not affected: confirm the change. Otherwise
#   reindex right after it. Tags that name no flavour count as glibc, except for the images in musl_images.
# related_resources:
# - ref: https://wiki.postgresql.org/wiki/Locale_data_changes
# - ref: https://www.postgresql.org/docs/current/collation.html
# - ref: https://github.com/ardentperf/glibc-unicode-sorting
#   description: How each release of Debian sorts.
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
	step := difference(change.old.flavour, change.new.flavour)
	why := confirm.missing(input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf(
			"%s changes its C library (%s): it sorts text differently, which breaks its indexes, and %s",
			[change.new.name, step, why],
		),
		"path": change.new.path,
		"fix": sprintf(
			"Keep the image's flavour; or stop the clients, and REINDEX DATABASE each one before they return%s (tables partitioned by text need a dump and restore); confirm: %s",
			[recorded(step, change.new.major), confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step)],
		),
	}
}

# It does not start at all: image-major-upgrade-guard tells of that.
leaves_timescaledb if {
	startswith(versions.software(input.old_workload), "timescaledb")
	now := versions.software(input.workload)
	not startswith(now, "timescaledb")
}

difference(old, new) := step if {
	before := library(input.old_workload, old)
	after := library(input.workload, new)
	before != after
	step := sprintf("%s->%s", [before, after])
} else := step if {
	before := distribution(input.old_workload)
	after := distribution(input.workload)
	sorts_as_before_2_28(before) != sorts_as_before_2_28(after)
	step := sprintf("%s->%s", [before, after])
}

# PostgreSQL 15 or later keeps the version of glibc, and warns until it is told of the new one. Of musl it knows none.
recorded(step, major) := " and, in each, ALTER DATABASE … REFRESH COLLATION VERSION" if {
	major >= 15
	not contains(step, "musl")
} else := ""

# The release of a distribution that a tag names: 13.4-stretch, 11.7.0-debian-9-r2.
distribution(workload) := word if {
	some container in workload.containers
	container.name == workload.engine.container
	tag := object.get(container.image, "tag", "")
	found := regex.find_n(sprintf(`(^|[-_.])(%s|%s)([-_.]|$)`, [older_glibc, newer_glibc]), tag, 1)[0]
	word := trim(found, "-_.")
}

sorts_as_before_2_28(word) := regex.match(sprintf(`^(%s)$`, [older_glibc]), word)

older_glibc := `jessie|stretch|xenial|bionic|debian-[89]|(ubi|rhel|centos)-?7`

newer_glibc := `buster|bullseye|bookworm|trixie|focal|jammy|noble|debian-1[0-9]|(ubi|rhel|centos)-?(8|9|10)`

library(workload, flavour) := "musl" if {
	startswith(flavour, "alpine")
} else := "musl" if {
	flavour == ""
	versions.software(workload) in input.parameters.musl_images
} else := "glibc"
