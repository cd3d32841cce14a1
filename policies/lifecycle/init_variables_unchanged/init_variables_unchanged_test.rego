package stategate.lifecycle.init_variables_unchanged_test

import data.stategate.lifecycle.init_variables_unchanged as policy

view(engine, env, all) := {
	"engine": {"name": engine, "container": "db"},
	"containers": [{"name": "db", "role": "main", "engine": engine, "env": env, "env_from": all}],
}

literal(name, value) := {"name": name, "value": value, "path": ["env", name]}

found(engine, old, new) := violations if {
	violations := policy.violation with input as {
		"old_workload": view(engine, old, false),
		"workload": view(engine, new, false),
	}
}

test_a_changed_variable_does_nothing if {
	some v in found("postgres", [literal("POSTGRES_DB", "a")], [literal("POSTGRES_DB", "b")])
	startswith(v.msg, "container db reads POSTGRES_DB on an empty data directory only")
	v.path == ["env", "POSTGRES_DB"]
	startswith(v.fix, "Use CREATE DATABASE")
}

test_several_are_one_finding if {
	old := [literal("MYSQL_USER", "a"), literal("MYSQL_PASSWORD", "x")]
	new := [literal("MYSQL_USER", "b"), literal("MYSQL_PASSWORD", "y")]
	violations := found("mysql", old, new)
	count(violations) == 1
	some v in violations
	contains(v.msg, "MYSQL_USER, MYSQL_PASSWORD")
}

test_a_new_variable_does_nothing_either if {
	count(found("postgres", [], [literal("POSTGRES_DB", "b")])) == 1
	all := policy.violation with input as {
		"old_workload": view("postgres", [], true),
		"workload": view("postgres", [literal("POSTGRES_DB", "b")], false),
	}
	all == set()
}

test_what_is_not_shown_is_not_told if {
	ref := {"name": "POSTGRES_PASSWORD", "from": "secretKeyRef", "path": []}
	found("postgres", [literal("POSTGRES_PASSWORD", "x")], [ref]) == set()
	found("postgres", [ref], [ref]) == set()
	found("postgres", [literal("POSTGRES_DB", "a")], [literal("POSTGRES_DB", "$(NAME)")]) == set()
	found("postgres", [literal("POSTGRES_DB", "a")], [literal("POSTGRES_DB", "a")]) == set()
	found("postgres", [literal("POSTGRES_DB", "a")], []) == set()
	found("postgres", [literal("TZ", "a")], [literal("TZ", "b")]) == set()
	found("redis", [literal("POSTGRES_DB", "a")], [literal("POSTGRES_DB", "b")]) == set()
}

test_an_empty_directory_reads_them if {
	in_the_pod := {"engine": {"data_dirs": [{"dir": "/var/lib/postgresql/data", "container": "db", "origin": "default"}]}}
	all := policy.violation with input as {
		"old_workload": object.union(view("postgres", [], false), in_the_pod),
		"workload": object.union(view("postgres", [literal("POSTGRES_DB", "b")], false), in_the_pod),
	}
	all == set()
}

test_passwords_that_are_set_at_every_start_pass if {
	every pair in [["rhel9/postgresql-15", 0], ["sclorg/postgresql-15-c9s", 0], ["bitnami/postgresql", 1]] {
		image := {"image": {"repository": pair[0]}}
		before := object.union(view("postgres", [literal("POSTGRESQL_PASSWORD", "x")], false).containers[0], image)
		after := object.union(view("postgres", [literal("POSTGRESQL_PASSWORD", "y")], false).containers[0], image)
		violations := policy.violation with input as {
			"old_workload": {"containers": [before]},
			"workload": {"engine": {"name": "postgres", "container": "db"}, "containers": [after]},
		}
		count(violations) == pair[1]
	}
}

test_a_mirror_of_an_official_image_is_no_image_of_red_hat if {
	every row in [
		["openshift/postgres", "16.4", "postgres", "POSTGRES_PASSWORD"],
		["centos7/mysql", "8.4.2", "mysql", "MYSQL_ROOT_PASSWORD"],
		["fedora/mongo", "7.0.14", "mongodb", "MONGO_INITDB_ROOT_PASSWORD"],
	] {
		[repository, tag, engine, variable] := row
		image := {"image": {"repository": repository, "tag": tag}}
		before := object.union(view(engine, [literal(variable, "x")], false).containers[0], image)
		after := object.union(view(engine, [literal(variable, "y")], false).containers[0], image)
		violations := policy.violation with input as {
			"old_workload": {"containers": [before]},
			"workload": {"engine": {"name": engine, "container": "db"}, "containers": [after]},
		}
		count(violations) == 1
	}
}
