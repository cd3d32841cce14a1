package stategate.lifecycle.image_flavour_change_test

import data.stategate.lifecycle.image_flavour_change as policy

workload(name, major, flavour, annotations) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"annotations": annotations,
	"containers": [{"name": "db", "image": {"repository": "library/db"}}],
	"engine": {
		"name": name,
		"container": "db",
		"version": sprintf("%d.4", [major]),
		"major": major,
		"flavour": flavour,
		"path": ["spec", "template", "spec", "containers", 0, "image"],
	},
}

update(old, new) := violations if {
	violations := policy.violation with input as {
		"old_workload": old,
		"workload": new,
		"parameters": {"engines": ["postgres"], "musl_images": ["timescaledb"]},
		"now": "2026-01-01T00:00:00Z",
	}
}

test_to_alpine_fails if {
	some v in update(workload("postgres", 16, "", {}), workload("postgres", 16, "alpine", {}))
	v.msg == concat(" ", [
		"postgres changes its C library (glibc->musl): it sorts text differently,",
		"which breaks its indexes, and nobody has confirmed it",
	])
	v.path == ["spec", "template", "spec", "containers", 0, "image"]
	contains(v.fix, "stategate.io/confirm-version-change='glibc->musl'")
}

test_from_alpine_fails if {
	some v in update(workload("postgres", 16, "alpine", {}), workload("postgres", 16, "bookworm", {}))
	contains(v.msg, "musl->glibc")
}

test_same_library_passes if {
	update(workload("postgres", 16, "", {}), workload("postgres", 16, "bookworm", {})) == set()
	update(workload("postgres", 16, "alpine", {}), workload("postgres", 16, "alpine", {})) == set()
}

test_another_major_is_another_policy_s_matter if {
	update(workload("postgres", 16, "", {}), workload("postgres", 17, "alpine", {})) == set()
}

test_other_engines_pass if update(workload("redis", 7, "", {}), workload("redis", 7, "alpine", {})) == set()

test_confirmed_passes if {
	said := {"stategate.io/confirm-version-change": "glibc->musl"}
	update(workload("postgres", 16, "", {}), workload("postgres", 16, "alpine", said)) == set()
}

# An image of another repository, whose tag shows PostgreSQL's major version.
from(repository, view) := object.union(view, {"containers": [{
	"name": "db",
	"image": {"repository": repository, "tag": "x-pg16"},
}]})

test_images_that_are_alpine_unsaid if {
	alpine := from("library/postgres", workload("postgres", 16, "alpine", {}))
	timescale := from("timescale/timescaledb", workload("postgres", 16, "", {}))
	debian := from("library/postgres", workload("postgres", 16, "", {}))
	update(alpine, timescale) == set()
	some v in update(debian, timescale)
	contains(v.msg, "glibc->musl")
	count(update(alpine, from("pgvector/pgvector", workload("postgres", 16, "", {})))) == 1
}

test_a_new_database_builds_its_indexes_anew if {
	in_the_pod := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}
	old := object.union(workload("postgres", 16, "", {}), in_the_pod)
	update(old, workload("postgres", 16, "alpine", {})) == set()
}

of_image(repository, flavour) := object.union(
	workload("postgres", 16, flavour, {}),
	{"containers": [{"name": "db", "image": {"repository": repository, "tag": "pg16"}}]},
)

test_from_timescaledb_is_another_policy_s_matter if {
	update(of_image("timescale/timescaledb", "alpine"), of_image("library/postgres", "")) == set()
	count(update(of_image("library/postgres", "alpine"), of_image("library/postgres", ""))) == 1
	count(update(of_image("timescale/timescaledb", "alpine"), of_image("timescale/timescaledb", "bookworm"))) == 1
}

tagged(major, tag, flavour) := object.union(
	workload("postgres", major, flavour, {}),
	{"containers": [{"name": "db", "image": {"repository": "library/postgres", "tag": tag}}]},
)

test_glibc_sorts_differently_since_2_28 if {
	some v in update(tagged(13, "13.4-stretch", "stretch"), tagged(13, "13.4-bullseye", "bullseye"))
	startswith(v.msg, "postgres changes its C library (stretch->bullseye): it sorts text differently")
	contains(v.fix, "REINDEX DATABASE each one before they return (tables")
	some back in update(tagged(15, "15.1.0-debian-10-r2", "debian"), tagged(15, "15.1.0-debian-9-r3", "debian"))
	contains(back.msg, "(debian-10->debian-9)")
	contains(back.fix, "ALTER DATABASE … REFRESH COLLATION VERSION")
	count(update(tagged(14, "ubi7-14.2-1", "ubi"), tagged(14, "ubi8-14.5-0", "ubi"))) == 1
}

# https://github.com/ardentperf/glibc-unicode-sorting: all of these sort alike.
test_later_releases_sort_alike if {
	update(tagged(14, "14.5-bullseye", "bullseye"), tagged(14, "14.19-bookworm", "bookworm")) == set()
	update(tagged(16, "16.4-bookworm", "bookworm"), tagged(16, "16.10-trixie", "trixie")) == set()
	update(tagged(13, "13.4-stretch", "stretch"), tagged(13, "13.5-stretch", "stretch")) == set()
	update(tagged(13, "13.4", ""), tagged(13, "13.4-bullseye", "bullseye")) == set()
}
