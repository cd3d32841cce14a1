package stategate.lifecycle.image_major_upgrade_guard_test

import data.stategate.lifecycle.image_major_upgrade_guard as policy

workload(name, release, annotations) := {
	"kind": "StatefulSet",
	"name": "db",
	"namespace": "shop",
	"annotations": annotations,
	"containers": [{"name": "db", "image": {"repository": sprintf("library/%s", [name])}}],
	"engine": {
		"name": name,
		"container": "db",
		"major": release[0],
		"release": release,
		"version": concat(".", [sprintf("%d", [number]) | some number in release]),
		"path": ["spec", "template", "spec", "containers", 0, "image"],
	},
}

request(old, new) := {
	"old_workload": old,
	"workload": new,
	"parameters": {
		"needs_migration": ["postgres", "influxdb"],
		"one_major_at_a_time": ["mongodb", "elasticsearch", "cassandra"],
		"one_minor_at_a_time": ["etcd"],
		"series": {"mongodb": ["3.6", "4.0", "4.2", "4.4", "5.0", "6.0", "7.0", "8.0"]},
		"comes_from": {
			"elasticsearch/9": "8.18",
			"rabbitmq/4": "3.13",
			"mysql/8.4": "8.0",
			"opensearch/3": "2.19",
			"scylla/6.0": "5.4",
			"scylla/6.1": "6.0",
			"scylla/6.2": "6.1",
			"scylla/2025.1": "6.2",
			"scylla/2025.2": "2025.1",
			"cockroach/25.3": "25.2",
			"cockroach/26.2": "25.4",
			"etcd/3.6": "3.5.32",
			"etcd/3.7": "3.6.11",
		},
	},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

step(name, old, new) := found(request(workload(name, old, {}), workload(name, new, {})))

test_postgres_major_fails if {
	some v in step("postgres", [15, 8], [16, 4])
	v.msg == concat("", [
		"postgres goes 15.8->16.4: the new major version does not start on the old one's files, ",
		"and nobody has confirmed it",
	])
	v.path == ["spec", "template", "spec", "containers", 0, "image"]
	contains(v.fix, "pg_upgrade")
	contains(v.fix, "stategate.io/confirm-version-change='15.8->16.4'")
}

of_mysql(image, annotations) := object.union(workload("mysql", [8, 0, 42], annotations), {"containers": [{
	"name": "db",
	"image": {"repository": image},
}]})

test_mysql_and_mariadb_do_not_take_each_other_s_place if {
	some v in found(request(of_mysql("library/mysql", {}), of_mysql("library/mariadb", {})))
	contains(v.msg, "mysql->mariadb: one does not start on the files of the other, and nobody has confirmed it")
	contains(v.fix, "stategate.io/confirm-version-change='mysql->mariadb'")
	count(found(request(of_mysql("bitnami/mariadb-galera", {}), of_mysql("percona/percona-server", {})))) == 1
}

test_mysql_and_percona_do if {
	found(request(of_mysql("library/mysql", {}), of_mysql("percona/percona-server", {}))) == set()
	found(request(of_mysql("library/mysql", {}), of_mysql("acme/our-db", {}))) == set()
}

test_a_confirmed_change_of_the_software_passes if {
	confirmed := of_mysql("library/mariadb", {"stategate.io/confirm-version-change": "mysql->mariadb"})
	found(request(of_mysql("library/mysql", {}), confirmed)) == set()
}

test_postgres_minor_passes if step("postgres", [16, 3], [16, 4]) == set()

test_other_migrations_have_no_pg_upgrade if {
	some v in step("influxdb", [2, 7], [3, 0])
	startswith(v.fix, "Make a backup; migrate the data as the vendor says, then confirm: kubectl")
}

test_next_major_in_place_passes if {
	step("cassandra", [4, 1, 7], [5, 0, 2]) == set()
	step("elasticsearch", [8, 18, 1], [9, 0, 1]) == set()
}

test_skipped_major_fails if {
	some v in step("cassandra", [3, 11, 17], [5, 0, 2])
	contains(v.msg, "skips a major version")
	contains(v.fix, "Make a backup; go through each major version in between")
	contains(v.fix, "if there are no data to keep: kubectl")
}

test_skipped_series_are_named if {
	some v in step("mongodb", [4, 4, 29], [6, 0, 19])
	contains(v.msg, "it skips 5.0, which must run in between")
	contains(v.fix, concat("", [
		"go through 5.0, one update each, and on the primary ",
		`on 4.4 run db.adminCommand({setFeatureCompatibilityVersion: "4.4"}), `,
		`on 5.0 run db.adminCommand({setFeatureCompatibilityVersion: "5.0"}); if there`,
	]))
	some w in step("mongodb", [4, 0, 28], [5, 0, 31])
	contains(w.msg, "it skips 4.2 and 4.4, which")
	count(step("mongodb", [4, 0, 28], [4, 4, 29])) == 1
}

test_the_next_series_needs_the_feature_version_of_this_one if {
	some v in step("mongodb", [5, 0, 31], [6, 0, 19])
	contains(v.msg, "it does not start on data whose featureCompatibilityVersion is below 5.0, and nobody")
	contains(v.fix, `run db.adminCommand({setFeatureCompatibilityVersion: "5.0"}) on the primary (with "6.0" not before`)
	some w in step("mongodb", [7, 0, 14], [8, 0, 4])
	contains(w.fix, `{setFeatureCompatibilityVersion: "7.0", confirm: true}`)
	step("mongodb", [7, 0, 14], [7, 0, 16]) == set()
	step("mongodb", [8, 0, 4], [8, 0, 13]) == set()
}

test_a_minor_release_comes_from_the_series_before_it if {
	some v in step("mongodb", [7, 0, 4], [8, 3, 4])
	contains(v.msg, "it skips 8.0, which must run in between")
	some w in step("mongodb", [8, 0, 4], [8, 3, 1])
	contains(w.msg, "whose featureCompatibilityVersion is below 8.0")
	contains(w.fix, `(with "8.3" not before`)
	some x in step("mongodb", [8, 2, 1], [8, 3, 1])
	contains(x.fix, `while 8.2 still runs, run db.adminCommand({setFeatureCompatibilityVersion: "8.2", confirm: true})`)
	step("mongodb", [8, 2, 1], [8, 2, 4]) == set()
	step("mongodb", [8], [8, 2, 4]) == set()
}

test_series_are_guessed_where_the_tag_is_short_or_the_table_old if {
	some v in step("mongodb", [4], [5])
	contains(v.fix, `{setFeatureCompatibilityVersion: "4.4"}`)
	some w in step("mongodb", [8, 0], [9, 0])
	contains(w.fix, `while 8.0 still runs, run db.adminCommand({setFeatureCompatibilityVersion: "8.0", confirm: true})`)
	contains(w.fix, `(with "9.0" not before`)
	count(step("mongodb", [8, 0], [10, 0])) == 1
}

test_skipped_minor_fails if {
	some v in step("etcd", [3, 4, 34], [3, 6, 1])
	contains(v.msg, "skips a minor version")
	step("etcd", [3, 5, 32], [3, 6, 13]) == set()
	step("etcd", [3, 5, 1], [3, 5, 17]) == set()
}

test_etcd_comes_from_the_last_patches if {
	some v in step("etcd", [3, 5, 10], [3, 6, 4])
	contains(v.msg, "etcd goes 3.5.10->3.6.4: it has to come from 3.5.32 or later")
	some w in step("etcd", [3, 6, 2], [3, 7, 0])
	contains(w.msg, "it has to come from 3.6.11 or later")
	step("etcd", [3, 6, 11], [3, 7, 0]) == set()
	step("etcd", [3, 6, 2], [3, 6, 11]) == set()
}

test_files_are_rewritten_on_the_way if {
	some cassandra in step("cassandra", [3, 11, 17], [5, 0, 2])
	contains(cassandra.fix, "run nodetool upgradesstables on every node before the next; if there are no data to keep")
	some elastic in step("elasticsearch", [8, 12, 0], [9, 1, 0])
	contains(elastic.fix, "before each reindex every index that an older major version created, or the new nodes do not start")
}

test_other_engines_pass if {
	step("redis", [6, 2], [8, 0]) == set()
	step("kafka", [2, 8], [4, 0]) == set()
}

test_downgrade_is_another_policy_s_matter if {
	step("postgres", [16, 4], [15, 8]) == set()
	step("mongodb", [8, 0, 4], [6, 0, 19]) == set()
}

test_confirmed_passes if {
	confirmed := workload("postgres", [16, 4], {"stategate.io/confirm-version-change": "15.8->16.4"})
	found(request(workload("postgres", [15, 8], {}), confirmed)) == set()
}

test_confirmation_of_another_step_does_not_count if {
	confirmed := workload("postgres", [17, 2], {"stategate.io/confirm-version-change": "15.8->16.4"})
	some v in found(request(workload("postgres", [15, 8], {}), confirmed))
	contains(v.msg, "the confirmation says 15.8->16.4")
}

test_untold_version_passes if {
	untold := json.remove(workload("postgres", [15, 8], {}), ["engine/major", "engine/release", "engine/version"])
	found(request(untold, workload("postgres", [16, 4], {}))) == set()
}

test_major_alone_is_compared if count(step("postgres", [15], [16])) == 1

test_what_comes_from_too_far_back_fails if {
	some v in step("elasticsearch", [8, 12, 0], [9, 1, 0])
	contains(v.msg, "elasticsearch goes 8.12.0->9.1.0: it has to come from 8.18 or later, and nobody")
	contains(v.fix, "go by way of the last minor version of each major one")
	some w in step("rabbitmq", [3, 11], [4, 0])
	contains(w.fix, "rabbitmqctl enable_feature_flag all before each")
	count(step("mysql", [5, 7, 44], [8, 4, 3])) == 1
}

of_opensearch(release) := object.union(workload("elasticsearch", release, {}), {
	"containers": [{"name": "db", "image": {"repository": "opensearchproject/opensearch"}}],
})

test_open_search_has_its_own_name_and_numbers if {
	some v in found(request(of_opensearch([2, 11, 1]), of_opensearch([3, 6, 0])))
	contains(v.msg, "opensearch goes 2.11.1->3.6.0: it has to come from 2.19 or later")
	found(request(of_opensearch([2, 19, 1]), of_opensearch([3, 6, 0]))) == set()
}

of_cockroach(release) := object.union(workload("cockroach", release, {}), {
	"containers": [{"name": "db", "image": {"repository": "cockroachdb/cockroach"}}],
})

test_cockroach_finalizes_each_version if {
	some v in found(request(of_cockroach([25, 2, 1]), of_cockroach([26, 2, 0])))
	contains(v.msg, "it has to come from 25.4 or later")
	contains(v.fix, "wait until each is finalized (SHOW CLUSTER SETTING version)")
	found(request(of_cockroach([25, 4, 1]), of_cockroach([26, 2, 0]))) == set()
}

# Every second version is optional, and reached from the one right before it only.
test_an_innovation_release_comes_from_the_one_before_it if {
	some v in found(request(of_cockroach([24, 3, 2]), of_cockroach([25, 3, 2])))
	contains(v.msg, "it has to come from 25.2 or later")
	found(request(of_cockroach([25, 2, 1]), of_cockroach([25, 3, 2]))) == set()
	found(request(of_cockroach([25, 2, 1]), of_cockroach([25, 4, 0]))) == set()
}

test_what_comes_from_near_enough_passes if {
	step("rabbitmq", [3, 13, 7], [4, 0]) == set()
	step("rabbitmq", [4, 0], [4, 1]) == set()
	step("mysql", [5, 7, 44], [8, 0, 40]) == set()
	step("mysql", [8, 0, 40], [8, 4, 3]) == set()
}

test_another_image_of_postgres_with_another_major_fails if {
	old := workload("postgres", [15, 8], {})
	new := object.union(workload("postgres", [17], {}), {"containers": [{
		"name": "db",
		"image": {"repository": "pgvector/pgvector", "tag": "pg17"},
	}]})
	some v in found(request(old, new))
	startswith(v.msg, "postgres goes 15->17: the new major version does not start on the old one's files")
}

test_data_that_goes_meets_no_new_version if {
	in_the_pod := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}
	old := object.union(workload("postgres", [9, 4], {}), in_the_pod)
	found(request(old, workload("postgres", [15, 1], {}))) == set()
	found(request(object.union(of_mysql("library/mysql", {}), in_the_pod), of_mysql("library/mariadb", {}))) == set()
	count(found(request(object.union(old, {"replicas": 3}), workload("postgres", [15, 1], {})))) == 1
}

test_kafka_leaves_zookeeper_before_4 if {
	env := {"containers": [{"name": "db", "image": {"repository": "library/kafka"}, "env": [{"name": "KAFKA_ZOOKEEPER_CONNECT"}]}]}
	old := object.union(workload("kafka", [3, 9], {}), env)
	some v in found(request(old, workload("kafka", [4, 0], {})))
	contains(v.msg, "kafka goes 3.9->4.0: it knows no ZooKeeper")
	contains(v.fix, "first migrate to KRaft (zookeeper.metadata.migration.enable")
	found(request(old, workload("kafka", [3, 10], {}))) == set()
}

test_without_zookeeper_nothing_is_to_migrate if {
	env := [{"name": "KAFKA_ZOOKEEPER_CONNECT", "value": ""}]
	containers := {"containers": [{"name": "db", "image": {"repository": "library/kafka"}, "env": env}]}
	found(request(object.union(workload("kafka", [3, 9], {}), containers), workload("kafka", [4, 0], {}))) == set()
}

test_elasticsearch_9_0_is_older_than_8_19 if {
	some v in step("elasticsearch", [8, 19, 1], [9, 0, 3])
	contains(v.msg, "elasticsearch goes 8.19.1->9.0.3: 9.0 is older than 8.19")
	contains(v.fix, "take 9.1 or later")
	step("elasticsearch", [8, 18, 4], [9, 0, 3]) == set()
	step("elasticsearch", [8, 19, 1], [9, 1, 0]) == set()
}

of(engine, repository, release, annotations) := object.union(
	workload(engine, release, annotations),
	{"containers": [{"name": "db", "image": {"repository": repository}, "env": []}]},
)

replaced(old, new) := found(object.union(request(old, new), {"parameters": {"needs_migration": ["postgres"]}}))

test_another_product_or_generation_starts_empty_or_not_at_all if {
	every row in [
		["influxdb", "library/influxdb", [1, 8, 10], "library/influxdb", [2, 7, 10], "starts empty"],
		["influxdb", "library/influxdb", [2, 7, 10], "library/influxdb", [3, 0], "starts empty"],
		["neo4j", "library/neo4j", [4, 4, 38], "library/neo4j", [5, 25, 1], "on a store of 4.x"],
		["meilisearch", "getmeili/meilisearch", [1, 9, 1], "getmeili/meilisearch", [1, 11, 3], "files of another"],
		["elasticsearch", "elasticsearch/elasticsearch", [8, 19, 3], "opensearchproject/opensearch", [2, 17, 1], "from 7.11 on"],
		["elasticsearch", "opensearchproject/opensearch", [2, 17, 1], "library/elasticsearch", [8, 19, 3], "of OpenSearch"],
		["postgres", "timescale/timescaledb", [2, 14, 2], "library/postgres", [16, 4], "loads timescaledb"],
	] {
		old := of(row[0], row[1], row[2], {})
		some v in replaced(old, of(row[0], row[3], row[4], {}))
		contains(v.msg, row[5])
		contains(v.fix, "then, or if there are no data to keep: kubectl annotate statefulset db")
	}
}

test_files_that_are_read_pass if {
	meili := "getmeili/meilisearch"
	replaced(of("meilisearch", meili, [1, 9, 0], {}), of("meilisearch", meili, [1, 9, 1], {})) == set()
	replaced(of("meilisearch", meili, [1, 13, 0], {}), of("meilisearch", meili, [1, 13, 1], {})) == set()
	replaced(of("neo4j", "library/neo4j", [5, 25], {}), of("neo4j", "library/neo4j", [5, 26], {})) == set()
	oss := of("elasticsearch", "elasticsearch/elasticsearch-oss", [7, 10, 2], {})
	replaced(oss, of("elasticsearch", "opensearchproject/opensearch", [1, 3, 20], {})) == set()
	some three in replaced(oss, of("elasticsearch", "opensearchproject/opensearch", [3, 1, 0], {}))
	contains(three.msg, "OpenSearch 3 does not start on indices that Elasticsearch created")
	contains(three.fix, "by way of OpenSearch 1.3 and 2.19")
	upgrade := {"containers": [{
		"name": "db",
		"image": {"repository": "library/influxdb"},
		"env": [{"name": "DOCKER_INFLUXDB_INIT_MODE", "value": "upgrade"}],
	}]}
	new := object.union(of("influxdb", "library/influxdb", [2, 7], {}), upgrade)
	replaced(of("influxdb", "library/influxdb", [1, 8], {}), new) == set()
}

test_another_product_is_confirmed_by_both_names if {
	said := {"stategate.io/confirm-version-change": "influxdb 1.8.10->influxdb 2.7.10"}
	old := of("influxdb", "library/influxdb", [1, 8, 10], {})
	replaced(old, of("influxdb", "library/influxdb", [2, 7, 10], said)) == set()
}

# One annotation cannot confirm two steps.
test_a_new_major_version_of_another_product_is_one_step if {
	old := object.union(
		of("postgres", "timescale/timescaledb", [14, 10], {}),
		{"containers": [{"name": "db", "image": {"repository": "timescale/timescaledb", "tag": "2.10.0-pg14"}, "env": []}]},
	)
	some v in replaced(old, of("postgres", "library/postgres", [16, 4], {}))
	count(replaced(old, of("postgres", "library/postgres", [16, 4], {}))) == 1
	contains(v.msg, "the new major version does not start on the old one's files")
}

meilisearch(release, overrides) := object.union(of("meilisearch", "getmeili/meilisearch", release, {}), {"containers": [object.union(
	{
		"name": "db",
		"image": {"repository": "getmeili/meilisearch"},
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"path": ["c"],
	},
	overrides,
)]})

goes_to(release, overrides) := replaced(meilisearch([1, 12, 8], {}), meilisearch(release, overrides))

variable(name, value) := {"env": [{"name": name, "value": value}]}

# From 1.51 on, the switch has another name, and the old variable is passed over.
test_meilisearch_upgrades_its_files_if_it_is_told_to if {
	some old in goes_to([1, 15, 0], {})
	contains(old.msg, "unless it is told to upgrade them")
	contains(old.fix, "then set MEILI_EXPERIMENTAL_DUMPLESS_UPGRADE=true on the container; if there are no data to keep: kubectl")
	goes_to([1, 15, 0], variable("MEILI_EXPERIMENTAL_DUMPLESS_UPGRADE", "true")) == set()
	count(goes_to([1, 15, 0], variable("MEILI_EXPERIMENTAL_DUMPLESS_UPGRADE", "false"))) == 1
	goes_to([1, 15, 0], {"args": ["meilisearch", "--experimental-dumpless-upgrade"]}) == set()
	some new in goes_to([1, 51, 0], variable("MEILI_EXPERIMENTAL_DUMPLESS_UPGRADE", "true"))
	contains(new.fix, "set MEILI_UPGRADE_DB=true")
	goes_to([1, 51, 0], variable("MEILI_UPGRADE_DB", "true")) == set()
	goes_to([1, 52, 0], {"args": ["--upgrade-db"]}) == set()
}

test_what_may_turn_the_upgrade_on_out_of_sight_passes if {
	goes_to([1, 15, 0], {"env_from": true}) == set()
	goes_to([1, 15, 0], {"command": ["/start.sh"]}) == set()
	goes_to([1, 15, 0], variable("MEILI_CONFIG_FILE_PATH", "/c.toml")) == set()
	goes_to([1, 15, 0], {"args": ["--config-file-path=/c.toml"]}) == set()
}

emptied := "; if there are no data to keep, and the old files are off the volume: kubectl annotate statefulset db"

test_redis_valkey_and_keydb_read_older_dumps_only if {
	every row in [
		["library/redis", [7, 4, 0], "valkey/valkey", [8, 0, 0], "what Redis 7.4 or later has written"],
		["library/redis", [8, 2, 1], "valkey/valkey", [8, 2, 1], "what Redis 7.4 or later has written"],
		["library/redis", [7, 0, 15], "eqalpha/keydb", [6, 3, 4], "on files of 7.0 or later"],
		["valkey/valkey", [9, 0, 0], "library/redis", [8, 2, 1], "a signature of its own"],
		["valkey/valkey", [7, 2, 5], "library/redis", [7, 0, 15], "RDB format version 11"],
	] {
		some v in replaced(of("redis", row[0], row[1], {}), of("redis", row[2], row[3], {}))
		contains(v.msg, row[4])
		contains(v.fix, emptied)
	}
	every row in [
		["library/redis", [7, 2, 5], "valkey/valkey", [8, 0, 0]],
		["library/redis", [6, 2, 14], "eqalpha/keydb", [6, 3, 4]],
		["valkey/valkey", [8, 1, 0], "library/redis", [7, 2, 5]],
	] {
		replaced(of("redis", row[0], row[1], {}), of("redis", row[2], row[3], {})) == set()
	}
}

test_no_keydb_reads_them_whatever_its_tag_says if {
	old := of("redis", "library/redis", [7, 2, 5], {})
	new := object.union(
		object.remove(old, ["engine", "containers"]),
		{
			"containers": [{"name": "db", "image": {"repository": "eqalpha/keydb", "tag": "alpine_x86_64_v6.3.4"}}],
			"engine": object.remove(old.engine, ["major", "release", "version"]),
		},
	)
	some v in replaced(old, new)
	contains(v.msg, "the image goes redis 7.2.5->keydb: KeyDB reads")
}

minio(tag, overrides) := {
	"kind": "StatefulSet",
	"name": "minio",
	"namespace": "shop",
	"annotations": {},
	"containers": [object.union(
		{
			"name": "minio",
			"image": {"repository": "minio/minio", "tag": tag},
			"command": [],
			"args": ["server", "/data"],
			"env": [],
		},
		overrides,
	)],
	"engine": {
		"name": "minio",
		"container": "minio",
		"data_dirs": [{"dir": "/data", "container": "minio", "origin": "argument", "mount": {"source": "volumeClaimTemplate"}}],
		"path": ["image"],
	},
}

with_last(overrides) := found(request(
	minio("RELEASE.2021-11-24T23-19-33Z", overrides),
	minio("RELEASE.2024-09-13T20-26-02Z", overrides),
))

test_minio_leaves_the_file_system_mode if {
	some v in with_last({})
	contains(v.msg, "minio goes RELEASE.2021-11-24T23-19-33Z->RELEASE.2024-09-13T20-26-02Z: it does not start on a single drive")
	contains(v.fix, "no further than RELEASE.2022-10-24T18-35-07Z")
	old := minio("RELEASE.2021-11-24T23-19-33Z", {})
	found(request(old, minio("RELEASE.2022-10-24T18-35-07Z", {}))) == set()
	found(request(minio("RELEASE.2022-10-29T06-21-33Z", {}), minio("RELEASE.2024-09-13T20-26-02Z", {}))) == set()
	found(request(old, minio("latest", {}))) == set()
	bitnami := {"image": {"repository": "bitnami/minio", "tag": "2021.4.6-debian-10-r11"}}
	count(found(request(minio("", bitnami), minio("RELEASE.2024-09-13T20-26-02Z", {})))) == 1
}

test_minio_on_several_drives_passes if {
	with_last({"args": ["server", "/data{1...4}"]}) == set()
	with_last({"args": ["gateway", "nas", "/data"]}) == set()
	with_last({"args": ["server"], "env": [{"name": "MINIO_VOLUMES", "value": "http://minio-{0...3}/data"}]}) == set()
	with_last({"env": [{"name": "MINIO_DISTRIBUTED_MODE_ENABLED", "value": "yes"}]}) == set()
	count(with_last({"env": [{"name": "MINIO_DISTRIBUTED_MODE_ENABLED", "value": "no"}]})) == 1
	every args in [
		["server", "http://minio-0/data", "http://minio-1/data"],
		["server", "--quiet", "/a", "/b"],
		["exec minio server --address :9000 \\\n  /a /b"],
	] {
		with_last({"args": args}) == set()
	}
	with_last({"args": ["server"], "env": [{"name": "MINIO_VOLUMES", "value": "/a /b"}]}) == set()
	old := object.union(minio("RELEASE.2021-11-24T23-19-33Z", {}), {"replicas": 4})
	found(request(old, minio("RELEASE.2024-09-13T20-26-02Z", {}))) == set()
}

test_flags_and_redirections_of_minio_are_no_drives if {
	every args in [
		["server", "/data", "--console-address", ":9001"],
		["server", "--certs-dir", "/certs", "/data"],
		["server", "--certs-dir=/certs", "/data"],
		["minio server /data > /tmp/log"],
		["minio server /data\ncat /a /b"],
	] {
		count(with_last({"args": args})) == 1
	}
	count(with_last({"env": [{"name": "MINIO_SERVER_URL", "value": "https://s3.example.com"}]})) == 1
}

to_eight(overrides) := found(request(of_elastic([7, 17, 24], overrides), of_elastic([8, 15, 1], overrides)))

of_elastic(release, overrides) := object.union(
	workload("elasticsearch", release, {}),
	{"containers": [object.union(
		{
			"name": "db",
			"image": {"repository": "elasticsearch/elasticsearch"},
			"command": [],
			"args": [],
			"env": [{"name": "discovery.seed_hosts", "value": "es"}],
			"env_from": false,
			"mounts": [{"mount_path": "/usr/share/elasticsearch/data"}],
		},
		overrides,
	)]},
)

test_elasticsearch_8_has_security_on if {
	some v in to_eight({})
	contains(v.msg, "elasticsearch goes 7.17.24->8.15.1: security is on by default")
	contains(v.fix, "or set xpack.security.enabled=false on the container")
	found(request(of_elastic([8, 15, 1], {}), of_elastic([8, 16, 0], {}))) == set()
}

test_what_decides_on_security_passes if {
	to_eight({"env": [{"name": "xpack.security.enabled", "value": "false"}]}) == set()
	to_eight({"env": [{"name": "discovery.type", "value": "single-node"}]}) == set()
	to_eight({"args": ["-Expack.security.enabled=false"]}) == set()
	to_eight({"command": ["/start.sh"]}) == set()
	to_eight({"env_from": true}) == set()
	to_eight({"mounts": [{"mount_path": "/usr/share/elasticsearch/config/elasticsearch.yml"}]}) == set()
	to_eight({"mounts": [{"mount_path": "/usr/share/elasticsearch"}]}) == set()
	to_eight({"image": {"repository": "bitnami/elasticsearch"}}) == set()
}

stepped(software, old, new) := {v.msg |
	some v in found(request(of("scylla", software, old, {}), of("scylla", software, new, {})))
}

test_scylla_goes_through_each_release if {
	some far in stepped("scylladb/scylla", [5, 1, 9], [6, 1, 2])
	contains(far, "it has to come from 6.0 or later")
	some year in stepped("scylladb/scylla", [5, 4, 9], [2025, 1, 0])
	contains(year, "it has to come from 6.2 or later")
	stepped("scylladb/scylla", [6, 2, 0], [2025, 1, 0]) == set()
	stepped("scylladb/scylla", [2025, 1, 0], [2025, 4, 0]) == set()
	some v in found(request(of("scylla", "scylladb/scylla", [6, 0, 4], {}), of("scylla", "scylladb/scylla", [6, 2, 0], {})))
	contains(v.fix, "the vendor's guide")
}

test_tags_with_the_same_number_may_be_other_products if {
	some v in replaced(
		of("postgres", "timescale/timescaledb", [16], {}),
		of("postgres", "library/postgres", [16], {}),
	)
	contains(v.msg, "loads timescaledb, which this image lacks")
}
