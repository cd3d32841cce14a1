package stategate.lib.makers_test

import data.stategate.lib.makers

view(engine, registry, repository) := {
	"engine": {"name": engine, "container": "db"},
	"containers": [{"name": "db", "image": {"registry": registry, "repository": repository}}],
}

test_known_makers if {
	makers.of(view("postgres", "docker.io", "library/postgres")) == "upstream"
	makers.of(view("postgres", "docker.io", "postgis/postgis")) == "upstream"
	makers.of(view("postgres", "registry.example.org", "mirror/library/postgres")) == "upstream"
	makers.of(view("postgres", "docker.io", "bitnamilegacy/postgresql")) == "Bitnami"
	makers.of(view("mysql", "registry.redhat.io", "rhel9/mysql-80")) == "Red Hat"
	makers.of(view("postgres", "ghcr.io", "zalando/spilo-16")) == "Spilo"
	makers.of(view("postgres", "docker.io", "bitnami/spilo-16")) == "Bitnami"
	not makers.of(view("postgres", "registry.example.org", "team/postgres"))
}

test_a_change_needs_two_known_makers if {
	documents := {
		"old_workload": view("postgres", "docker.io", "bitnami/postgresql"),
		"workload": view("postgres", "docker.io", "library/postgres"),
	}
	makers.change == {"old": "Bitnami", "new": "upstream"} with input as documents
	own := object.union(documents, {"workload": view("postgres", "x.example.org", "team/db")})
	not makers.change with input as own
	moved := object.union(documents, {"workload": view("postgres", "mirror.example.org", "bitnami/postgresql")})
	not makers.change with input as moved
	other := object.union(documents, {"workload": view("redis", "docker.io", "library/redis")})
	not makers.change with input as other
}
