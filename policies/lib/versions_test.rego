package stategate.lib.versions_test

import data.stategate.lib.versions

image(repository) := {"name": "db", "image": {"repository": repository, "tag": "1-pg16"}}

workload(repository, runs, annotations) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"annotations": annotations,
	"containers": [{"name": "exporter"}, image(repository)],
	"engine": object.union({"name": "postgres", "container": "db"}, runs),
}

update(old, new) := {"old_workload": old, "workload": new, "now": "2026-01-01T00:00:00Z"}

engine(version, major) := {"version": version, "major": major}

text(old, new) := change.text if change := versions.change with input as update(old, new)

test_same_image_compares if {
	text(
		workload("library/postgres", engine("16.4", 16), {}),
		workload("mirror/postgres", engine("17.2", 17), {}),
	) == "16.4->17.2"
}

test_other_images_do_not if {
	not text(
		workload("library/postgres", engine("16.4", 16), {}),
		workload("timescale/timescaledb", engine("2.17.2", 2), {}),
	)
}

test_other_images_of_postgres_compare_by_their_major if {
	text(
		workload("library/postgres", engine("15.8", 15), {}),
		workload("pgvector/pgvector", engine("0.8.0", 16), {}),
	) == "15->16"
	text(
		workload("library/postgres", engine("15.8", 15), {}),
		workload("postgis/postgis", engine("17", 17), {}),
	) == "15->17"
}

test_other_engines_do_not if {
	not text(
		workload("library/db", engine("16.4", 16), {}),
		workload("library/db", {"name": "mysql", "version": "8.4", "major": 8}, {}),
	)
}

test_the_major_is_named_where_the_numbers_are_another_s if {
	text(
		workload("timescale/timescaledb", engine("2.17.2", 16), {}),
		workload("timescale/timescaledb", engine("2.17.2", 17), {}),
	) == "16->17"
	text(
		workload("timescale/timescaledb", engine("2.14.2", 15), {}),
		workload("timescale/timescaledb", engine("2.17.2", 16), {}),
	) == "15->16"
	text(
		workload("pgvector/pgvector", {"major": 16}, {}),
		workload("pgvector/pgvector", {"major": 17}, {}),
	) == "16->17"
}

test_unknown_versions_do_not_compare if {
	not text(workload("library/postgres", {}, {}), workload("library/postgres", engine("17.2", 17), {}))
}

release(numbers) := {"release": numbers}

test_goes_back if {
	versions.goes_back(release([7, 0, 14]), release([6, 0, 18]), 2)
	versions.goes_back(release([7, 2]), release([7, 0]), 2)
	not versions.goes_back(release([7, 0, 14]), release([7, 0, 12]), 2)
	versions.goes_back(release([8, 15, 2]), release([8, 15, 1]), 3)
	not versions.goes_back(release([9, 0]), release([10, 0]), 2)
}

test_only_numbers_that_both_tell_count if {
	not versions.goes_back(release([7, 0]), release([7]), 2)
	versions.goes_back(release([7, 0]), release([6]), 2)
}

test_doubt_and_command_name_the_step if {
	old := workload("library/postgres", engine("16.4", 16), {})
	new := workload("library/postgres", engine("17.2", 17), {})
	versions.doubt == "nobody has confirmed it" with input as update(old, new)
	versions.command == concat(" ", [
		"kubectl annotate statefulset pg -n shop --overwrite",
		"stategate.io/confirm-version-change='16.4->17.2'",
	]) with input as update(old, new)
}

test_confirmed if {
	old := workload("library/postgres", engine("16.4", 16), {})
	new := workload("library/postgres", engine("17.2", 17), {versions.confirmation: "16.4->17.2"})
	not versions.doubt with input as update(old, new)
}

test_below if {
	versions.below([8, 0, 36], "8.4")
	not versions.below([8, 4, 1], "8.4")
	not versions.below([8], "8.4")
	versions.below([9], "10.11")
	not versions.below([10, 11], "9")
}

test_a_mirror_is_believed_where_the_number_can_be_the_engine_s if {
	text(workload("mirror/postgres", engine("16.4", 16), {}), workload("mirror/postgres", engine("15.8", 15), {})) == "16.4->15.8"
	not text(workload("shop/postgres", engine("2.1", 2), {}), workload("shop/postgres", engine("1.9", 1), {}))
	not text(workload("shop/postgres", engine("12", 12), {}), workload("shop/postgres", engine("11", 11), {}))
}

of_minio(repository, tag) := {
	"containers": [{"name": "db", "image": {"repository": repository, "tag": tag}}],
	"engine": {"name": "minio", "container": "db"},
}

test_releases_of_minio_are_dates if {
	versions.dated(of_minio("minio/minio", "RELEASE.2022-06-02T02-11-04Z")).release == [2022, 6, 2]
	versions.dated(of_minio("bitnami/minio", "2021.4.6-debian-10-r11")).release == [2021, 4, 6]
	not versions.dated(of_minio("minio/minio", "latest"))
	not versions.dated(of_minio("shop/minio", "RELEASE.2022-06-02T02-11-04Z"))
}
