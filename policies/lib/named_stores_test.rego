package stategate.lib.named_stores_test

import data.stategate.lib.named_stores

container := {
	"name": "db",
	"engine": "postgres",
	"image": {"repository": "team/postgres", "tag": "dev"},
	"command": [],
	"args": [],
	"env": [],
	"ports": [],
}

of(path, version) := {"workload": {
	"engine": object.union({"name": "postgres", "container": "db", "path": path}, version),
	"containers": [container],
}}

by_image := of(["spec"], {})

only_named(one, document) if named_stores.only_named(document.workload, one)

test_a_name_alone_is_no_sign if {
	only_named(container, by_image)
	not only_named(object.union(container, {"image": {"repository": "library/postgres"}}), by_image)
}

test_a_second_sign_is_enough if {
	every more in [
		{"ports": [{"port": 5432}]},
		{"liveness": {"port": 5432}},
		{"env": [{"name": "PGDATA"}]},
		{"args": ["postgres", "-c", "fsync=on"]},
		{"command": ["/usr/local/bin/postgres"]},
		{"readiness": {"command": ["pg_isready"]}},
	] {
		not only_named(object.union(container, more), by_image)
	}
	every more in [
		{"ports": [{"port": 8060}]},
		{"env": [{"name": "POSTGRES_HOST"}]},
		{"args": ["--config", "/etc/postgres.toml"]},
	] {
		only_named(object.union(container, more), by_image)
	}
}

tagged(tag) := object.union(container, {"image": {"tag": tag}})

test_flags_and_numbers_are_signs if {
	every tag in ["16", "16-alpine"] {
		not only_named(tagged(tag), of(["spec"], {"major": 16, "version": "16"}))
	}
	only_named(tagged("3"), of(["spec"], {"major": 3, "version": "3"}))
	not only_named(object.union(container, {"args": ["-c", "max_connections=200"]}), by_image)
	only_named(object.union(container, {"args": ["-c", "/etc/postgres.toml"]}), by_image)
}

test_a_version_or_an_annotation_is_a_sign if {
	not only_named(container, of(["spec"], {"major": 16, "version": "16.4"}))
	only_named(container, of(["spec"], {"major": 1, "version": "1.4"}))
	not only_named(container, of(["metadata", "annotations"], {}))
}
