package stategate.lifecycle.engine_version_supported_test

import data.stategate.lifecycle.engine_version_supported as policy

names := {"pgvector": "postgres", "timescaledb": "postgres", "mongo": "mongodb"}

request(image, release) := {
	"workload": {
		"containers": [{"name": "db", "image": {"repository": sprintf("library/%s", [image]), "tag": ""}}],
		"engine": {
			"name": object.get(names, image, image),
			"major": release[0],
			"container": "db",
			"version": concat(".", [sprintf("%d", [number]) | some number in release]),
			"release": release,
			"path": ["spec", "template", "spec", "containers", 0, "image"],
		},
	},
	"parameters": {
		"min_versions": {"postgres": "15", "mysql": "8.4", "mariadb": "10.11", "etcd": "3.5", "mongo": "7.0", "rabbitmq": "4.0"},
		"known_bad": {"etcd": ["3.5.0", "3.5.1"]},
	},
}

found(document) := violations if violations := policy.violation with input as document

test_supported_passes if {
	found(request("postgres", [15, 8])) == set()
	found(request("postgres", [18])) == set()
	found(request("mysql", [9, 1, 0])) == set()
	found(request("mariadb", [11, 4, 3])) == set()
}

test_past_its_end_fails if {
	some v in found(request("postgres", [11, 22]))
	v.msg == "postgres 11.22 gets no more fixes: 15 is the oldest series that does"
	v.path == ["spec", "template", "spec", "containers", 0, "image"]
	v.fix == "Make a backup, and upgrade postgres to 15 or later, by pg_upgrade or dump and restore (from any version)"
	count(found(request("mysql", [8, 0, 36]))) == 1
}

test_numbers_are_compared_as_numbers if {
	found(request("mariadb", [10, 11, 9])) == set()
	count(found(request("mariadb", [10, 6, 9]))) == 1
}

test_only_numbers_that_the_tag_tells_count if {
	found(request("mysql", [8])) == set()
	count(found(request("mysql", [5]))) == 1
}

test_known_to_damage_data_fails if {
	some v in found(request("etcd", [3, 5, 1]))
	v.msg == "etcd 3.5.1 is known to damage data"
	v.fix == "Make a backup, and upgrade etcd to the newest patch of its series"
	found(request("etcd", [3, 5, 17])) == set()
}

test_images_that_are_not_listed_pass if found(request("timescaledb", [2, 17])) == set()

test_untold_version_passes if {
	found(json.remove(request("postgres", [11]), ["workload/engine/release", "workload/engine/version"])) == set()
}

tagged(document, tag) := object.union(document, {"workload": {"containers": [{
	"name": "db",
	"image": {"repository": "pgvector/pgvector", "tag": tag},
}]}})

test_postgres_in_another_image_counts_where_its_tag_tells_it if {
	some v in found(tagged(request("pgvector", [13]), "0.8.0-pg13"))
	startswith(v.msg, "postgres 13 gets no more fixes")
	found(tagged(request("pgvector", [17]), "0.8.0-pg17")) == set()
	found(tagged(request("pgvector", [0, 5, 1]), "v0.5.1")) == set()
}

test_some_go_through_every_series if {
	some v in found(request("mysql", [8, 0, 36]))
	v.fix == concat("", [
		"Dump the data (once 8.4 has run on it, 8.0 cannot read it), then upgrade mysql to 8.4 or later, one series after ",
		"the other. In 8.4, users of mysql_native_password log in only with --mysql-native-password=ON, an option that 8.0 ",
		"does not know, and in 9 not at all: give them caching_sha2_password first",
	])
}

test_options_that_the_next_series_lacks_are_named if {
	document := object.union(request("mysql", [8, 0, 40]), {"workload": {"containers": [{
		"name": "db",
		"image": {"repository": "library/mysql", "tag": "8.0.40"},
		"path": [],
		"command": [],
		"args": ["--default-authentication-plugin=mysql_native_password", "--max_connections=100", "--skip-admin-ssl"],
		"env": [{"name": "MYSQL_EXTRA_FLAGS", "value": "--expire_logs_days=7 --sql-mode=ANSI"}],
		"mounts": [{"mount_path": "/etc/mysql/conf.d", "path": []}],
		"files": [{"path": "/etc/mysql/conf.d/my.cnf", "text": "[client]\nssl\n[mysqld]\nskip-host-cache\nport = 3306\n"}],
	}]}})
	some v in found(document)
	contains(v.fix, concat("", [
		". 8.4 does not start with --default-authentication-plugin, --expire-logs-days (in MYSQL_EXTRA_FLAGS), --skip-admin-ssl, ",
		"skip-host-cache (in /etc/mysql/conf.d/my.cnf): take that out in the same change. In 8.4,",
	]))
}

test_each_engine_has_its_way if {
	some v in found(request("postgres", [11, 22]))
	contains(v.fix, "by pg_upgrade or dump and restore")
	old := object.union(request("elasticsearch", [7, 10, 2]), {"parameters": {"min_versions": {"elasticsearch": "8.0"}}})
	some w in found(old)
	contains(w.fix, "by way of the last minor version of each major one (5.6, 6.8, 7.17)")
}

way_of(image, engine, release, oldest) := v.fix if {
	document := object.union(request(image, release), {
		"workload": {"engine": {"name": engine}},
		"parameters": {"min_versions": {image: oldest}},
	})
	some v in found(document)
}

test_versions_are_skipped_where_that_is_supported if {
	contains(way_of("mariadb", "mysql", [5, 5, 64], "10.11"), "10.11 or later, in one step from any version (of Galera")
	contains(way_of("elasticsearch", "elasticsearch", [8, 5, 1], "8.19"), "8.19 or later, in one step within 8")
	contains(way_of("redis", "redis", [5, 0], "6.2"), "6.2 or later, in one step as far as 7")
	contains(way_of("etcd", "etcd", [3, 3], "3.5"), "3.5 or later, one series after the other")
	contains(way_of("zookeeper", "zookeeper", [3, 4, 14], "3.8"), "by the steps that its documentation gives")
}

test_steps_between_the_series_are_named if {
	some v in found(request("mongo", [5, 0, 3]))
	contains(v.fix, "setting setFeatureCompatibilityVersion after each")
	some w in found(request("rabbitmq", [3, 11, 18]))
	contains(w.fix, "enabling all feature flags before each")
}

test_other_names_of_the_same_software_count if {
	some v in found(request("etcd-amd64", [3, 4, 3]))
	startswith(v.msg, "etcd 3.4.3 gets no more fixes")
	some m in found(request("mysql-server", [8, 0, 32]))
	startswith(m.msg, "mysql 8.0.32 gets no more fixes")
}

test_some_have_work_to_do_on_the_way if {
	some rabbit in found(request("rabbitmq", [3, 12, 1]))
	contains(rabbit.fix, "by way of 4.2 (before 4, of 3.13")
	document := {"parameters": {"min_versions": {"cassandra": "4.0", "elasticsearch": "8.19"}}}
	some cassandra in found(object.union(request("cassandra", [3, 11, 10]), document))
	contains(cassandra.fix, "with nodetool upgradesstables on every node before the next")
	some elastic in found(object.union(request("elasticsearch", [6, 8, 0]), document))
	contains(elastic.fix, "before each major version reindexing every index that an older one created (else")
}

test_short_series_end_before_older_ones if {
	ended := object.union(request("mariadb", [11, 2, 3]), {
		"workload": {"engine": {"name": "mysql"}},
		"parameters": {"min_versions": {"mariadb": "10.11"}, "ended": {"mariadb": ["11.1", "11.2"]}},
	})
	some v in found(ended)
	v.msg == "mariadb 11.2.3 gets no more fixes: 11.2 was a short series between those with long support"
	startswith(v.fix, "Make a backup, and upgrade mariadb to a later series with long support, in one step")
	count(found(object.union(ended, request("mariadb", [11, 4, 1])))) == 0
	count(found(object.union(ended, request("mariadb", [11])))) == 0
}
