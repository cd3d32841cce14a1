package stategate.lifecycle.image_maker_change_test

import data.stategate.lifecycle.image_maker_change as policy

view(engine, repository, annotations) := {
	"kind": "StatefulSet",
	"name": "db",
	"namespace": "shop",
	"annotations": annotations,
	"containers": [{"name": "db", "image": {"registry": "docker.io", "repository": repository}}],
	"engine": {"name": engine, "container": "db", "path": ["spec", "image"]},
}

found(engine, old, new, annotations) := violations if {
	violations := policy.violation with input as {
		"old_workload": view(engine, old, {}),
		"workload": view(engine, new, annotations),
		"now": "2026-01-01T00:00:00Z",
	}
}

test_bitnami_to_upstream if {
	some v in found("postgres", "bitnami/postgresql", "library/postgres", {})
	contains(v.msg, "(Bitnami->upstream): Bitnami's keeps postgresql.conf and pg_hba.conf outside the data directory")
	startswith(v.fix, "Save the data with the old image (pg_dumpall as a superuser")
	contains(v.fix, "stategate.io/confirm-version-change='Bitnami->upstream'")
}

test_any_other_pair if {
	some v in found("redis", "library/redis", "bitnami/redis", {})
	contains(v.msg, "(upstream->Bitnami): images of the two mostly keep the data in other directories")
	contains(v.fix, "belong to its user")
}

test_the_same_maker_passes if {
	found("postgres", "library/postgres", "pgvector/pgvector", {}) == set()
	found("postgres", "bitnami/postgresql", "bitnamilegacy/postgresql", {}) == set()
	found("postgres", "bitnami/postgresql", "team/postgres", {}) == set()
}

test_confirmed_passes if {
	confirmed := {"stategate.io/confirm-version-change": "Bitnami->upstream"}
	found("postgres", "bitnami/postgresql", "library/postgres", confirmed) == set()
}

test_other_software_is_another_policy_s_matter if {
	found("mysql", "bitnami/mysql", "library/mariadb", {}) == set()
	count(found("mysql", "bitnami/mysql", "library/mysql", {})) == 1
}

test_data_that_goes_meets_no_other_image if {
	in_the_pod := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}
	all := policy.violation with input as {
		"old_workload": object.union(view("redis", "library/redis", {}), in_the_pod),
		"workload": object.union(view("redis", "bitnami/redis", {}), in_the_pod),
		"now": "2026-01-01T00:00:00Z",
	}
	all == set()
}
