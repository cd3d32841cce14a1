package stategate.security.authentication_required_test

import data.stategate.security.authentication_required as policy

path := ["spec", "template", "spec", "containers", 0, "env", 0]

request(engine, name, value) := {
	"workload": {"containers": [{
		"name": "db",
		"engine": engine,
		"env": [{"name": name, "value": value, "path": path}],
	}]},
	"parameters": {"switches": {"POSTGRES_HOST_AUTH_METHOD": ["trust"], "ALLOW_EMPTY_PASSWORD": ["yes", "true"], "MYSQL_ALLOW_EMPTY_PASSWORD": ["?*"]}},
}

found(document) := violations if violations := policy.violation with input as document

test_the_other_spelling_of_elasticsearch_counts if {
	closed := search([7, 17, 28], {"env": [{"name": "ES_SETTING_XPACK_SECURITY_ENABLED", "value": "true", "path": path}]})
	found(closed) == set()
	switches := {"parameters": {"switches": {"ES_SETTING_XPACK_SECURITY_ENABLED": ["false"]}}}
	some v in found(object.union(request("elasticsearch", "ES_SETTING_XPACK_SECURITY_ENABLED", "false"), switches))
	startswith(v.fix, "Make certificates for the transport layer")
}

test_switches_of_other_stores_have_a_fix_of_their_own if {
	switches := {"parameters": {"switches": {"NEO4J_AUTH": ["none"]}}}
	some v in found(object.union(request("neo4j", "NEO4J_AUTH", "none"), switches))
	contains(v.fix, "set NEO4J_AUTH to neo4j/PASSWORD from a Secret")
	flags := {"parameters": {"flags": {"mongodb": ["--noauth"]}}}
	some w in found(object.union(started("mongodb", ["mongod", "--noauth"]), flags))
	contains(w.fix, "then write --auth for --noauth")
}

test_trust_fails if {
	some v in found(request("postgres", "POSTGRES_HOST_AUTH_METHOD", "trust"))
	v.msg == "POSTGRES_HOST_AUTH_METHOD=trust lets everybody who reaches container db in without a password"
	v.path == path
	contains(v.fix, "write scram-sha-256 for trust in the host lines of pg_hba.conf in the data directory")
}

test_letters_may_be_capital if count(found(request("redis", "ALLOW_EMPTY_PASSWORD", "Yes"))) == 1

test_other_values_pass if {
	found(request("postgres", "POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")) == set()
	found(request("redis", "ALLOW_EMPTY_PASSWORD", "no")) == set()
}

test_other_variables_pass if found(request("postgres", "POSTGRES_DB", "trust")) == set()

test_helpers_pass if found(request("", "ALLOW_EMPTY_PASSWORD", "yes")) == set()

test_value_from_elsewhere_passes if {
	found(json.remove(request("redis", "ALLOW_EMPTY_PASSWORD", "yes"), ["workload/containers/0/env/0/value"])) == set()
}

# The entrypoint of the image only checks whether there is a value.
test_any_value_opens_mysql if {
	count(found(request("mysql", "MYSQL_ALLOW_EMPTY_PASSWORD", "no"))) == 1
	found(request("mysql", "MYSQL_ALLOW_EMPTY_PASSWORD", "")) == set()
}

beside(other) := object.union(request("redis", "", ""), {"workload": {"containers": [{
	"name": "db",
	"engine": "redis",
	"env": [{"name": "ALLOW_EMPTY_PASSWORD", "value": "yes", "path": path}, other],
}]}})

test_password_that_is_given_counts if {
	found(beside({"name": "REDIS_PASSWORD", "from": "secretKeyRef"})) == set()
	found(beside({"name": "REDIS_PASSWORD_FILE", "value": "/run/pw"})) == set()
	count(found(beside({"name": "REDIS_PASSWORD", "value": ""}))) == 1
	count(found(beside({"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": ""}))) == 1
}

started(engine, words) := {
	"workload": {"containers": [{"name": "db", "engine": engine, "env": [], "command": [], "args": words, "path": ["c"]}]},
	"parameters": {"switches": {}, "flags": {"cockroach": ["--insecure"]}},
}

test_flag_fails if {
	some v in found(started("cockroach", ["start", "--insecure"]))
	v.msg == "--insecure lets everybody who reaches container db in without a password"
	v.path == ["c", "args", 1]
	found(started("cockroach", ["start", "--certs-dir=/certs"])) == set()
	found(started("redis", ["--insecure"])) == set()
}

test_fix_of_a_flag_says_how if {
	some v in found(started("cockroach", ["start", "--insecure"]))
	contains(v.fix, "with --certs-dir in place of --insecure")
	some w in found(request("redis", "ALLOW_EMPTY_PASSWORD", "yes"))
	startswith(w.fix, "Set the password in the store")
	endswith(w.fix, `then set this to "no" (without it, images may have a "yes" of their own)`)
}

test_other_switches_have_a_general_fix if {
	document := object.union(request("dgraph", "OPEN", "yes"), {"parameters": {"switches": {"OPEN": ["yes"]}}})
	some v in found(document)
	v.fix == "Give the data store's users passwords from a Secret, and then take OPEN out"
}

search(release, overrides) := {
	"workload": {
		"engine": {"name": "elasticsearch", "container": "es", "release": release},
		"containers": [object.union(
			{
				"name": "es",
				"role": "main",
				"engine": "elasticsearch",
				"image": {"repository": "elasticsearch/elasticsearch"},
				"command": [],
				"args": [],
				"env": [{"name": "cluster.name", "value": "logs"}],
				"env_from": false,
				"mounts": [],
				"path": ["c"],
			},
			overrides,
		)],
	},
	"parameters": {"switches": {"xpack.security.enabled": ["false"]}, "flags": {}},
}

test_elasticsearch_before_8_is_open_by_default if {
	every release in [[6, 8, 23], [7, 10, 2], [7, 17]] {
		some v in found(search(release, {}))
		v.path == ["c"]
		contains(v.fix, `set xpack.security.enabled to "true"`)
	}
}

test_elasticsearch_of_other_versions_passes if {
	found(search([8, 19, 4], {})) == set()
	found(search([6, 2, 4], {})) == set()
}

test_elasticsearch_that_may_be_closed_passes if {
	every overrides in [
		{"env": [{"name": "xpack.security.enabled", "value": "true"}]},
		{"env_from": true},
		{"args": ["elasticsearch", "-Expack.security.enabled=true"]},
		{"command": ["sh", "-c", "start"]},
		{"mounts": [{"mount_path": "/usr/share/elasticsearch/config/elasticsearch.yml"}]},
		{"image": {"repository": "opensearchproject/opensearch"}},
		{"role": "init"},
	] {
		found(search([7, 17, 29], overrides)) == set()
	}
}

test_certificates_alone_do_not_close_it if {
	count(found(search([7, 17, 29], {"mounts": [{"mount_path": "/usr/share/elasticsearch/config/certs"}]}))) == 1
}

test_turned_off_is_told_once if {
	found_off := found(search([7, 17, 29], {"env": [{"name": "xpack.security.enabled", "value": "false", "path": ["e"]}]}))
	count(found_off) == 1
	some v in found_off
	contains(v.fix, `set xpack.security.enabled to "true"`)
}

test_a_flag_in_a_script_counts if {
	some v in found(started("cockroach", ["exec /cockroach/cockroach start --insecure \\\n  --join=db-0.db"]))
	v.path == ["c", "args", 0]
	startswith(v.fix, "Make certificates (cockroach cert)")
}

test_nobody_reaches_a_store_without_network if {
	document := started("mysql", ["--skip-grant-tables", "--skip-networking"])
	flags := {"parameters": {"flags": {"mysql": ["--skip-grant-tables"]}}}
	found(object.union(document, flags)) == set()
	count(found(object.union(started("mysql", ["--skip-grant-tables"]), flags))) == 1
}

# A user without a role may do nothing, once authentication is on.
test_clients_of_etcd_get_roles_first if {
	document := object.union(
		request("etcd", "ALLOW_NONE_AUTHENTICATION", "yes"),
		{"parameters": {"switches": {"ALLOW_NONE_AUTHENTICATION": ["yes"]}}},
	)
	some v in found(document)
	startswith(v.fix, "Give each client a user with a role, without which it may do nothing (etcdctl user add, role add,")
	contains(v.fix, "then add root, run etcdctl auth enable")
}

test_a_plugin_that_guards_elasticsearch_passes if {
	off := {"name": "xpack.security.enabled", "value": "false", "path": ["e"]}
	every overrides in [
		{"env": [off, {"name": "searchguard.ssl.transport.pemkey_filepath", "value": "key.pem"}]},
		{"env": [off, {"name": "searchguard.disabled", "value": "false"}]},
		object.union({"env": [off]}, configured("searchguard.ssl.http.enabled: true")),
		object.union({"env": [off]}, configured("readonlyrest:\n  access_control_rules: []")),
		{"env": [off, {"name": "ENABLE_READONLY_REST", "value": "true"}], "image": {"repository": "eeacms/elastic"}},
		{"env": [off], "image": {"repository": "floragunncom/sg-elasticsearch-search-guard"}},
		{"env": [off], "args": ["elasticsearch", "-Esearchguard.ssl.http.enabled=true"]},
		{"command": ["elasticsearch-plugin", "install", "-b", "com.floragunn:search-guard-7:7.10.2-53.6.0"]},
	] {
		found(search([7, 10, 2], overrides)) == set()
	}
}

configured(text) := {
	"mounts": [{"mount_path": "/usr/share/elasticsearch/config/elasticsearch.yml", "path": ["m"]}],
	"files": [{"path": "/usr/share/elasticsearch/config/elasticsearch.yml", "text": text}],
}

test_a_plugin_that_is_only_named_or_turned_off_guards_nothing if {
	off := {"name": "xpack.security.enabled", "value": "false", "path": ["e"]}
	every overrides in [
		{"env": [off, {"name": "node.name", "value": "searchguard-demo"}]},
		{"env": [off, {"name": "searchguard.disabled", "value": "true"}]},
		{"env": [off, {"name": "searchguard.ssl.http.enabled", "value": ""}]},
		object.union({"env": [off]}, configured("# we do not use search-guard here")),
		object.union({"env": [off]}, configured("searchguard.ssl.http.enabled: true\nsearchguard.disabled: true")),
		object.union({"env": [off]}, configured("readonlyrest.enable: false")),
		{"env": [off], "args": ["# elasticsearch-plugin install search-guard-7\nelasticsearch"]},
	] {
		count(found(search([7, 10, 2], overrides))) == 1
	}
}

of_image(engine, repository, release, overrides) := {
	"workload": {
		"engine": {"name": engine, "container": "db", "release": release},
		"containers": [object.union(
			{
				"name": "db",
				"role": "main",
				"engine": engine,
				"image": {"repository": repository},
				"path": ["c"],
				"command": [],
				"args": [],
				"env": [],
				"env_from": false,
				"mounts": [],
			},
			overrides,
		)],
	},
	"parameters": {"switches": {}, "flags": {}},
}

test_old_postgres_without_a_password_trusts_everybody if {
	some v in found(of_image("postgres", "library/postgres", [11, 4], {}))
	v.msg == concat("", [
		"container db lets everybody in without a password: ",
		"without POSTGRES_PASSWORD, this old image writes trust for all hosts into a new data directory",
	])
	contains(v.fix, "(ALTER ROLE, with password_encryption set to scram-sha-256 first)")
	some w in found(of_image("postgres", "library/postgres", [9, 3, 25], {}))
	contains(w.fix, "(ALTER ROLE, hashed as md5)")
	every release in [[11, 6], [11], [9, 6], [12, 1], [16, 4]] {
		found(of_image("postgres", "library/postgres", release, {})) == set()
	}
	every overrides in [
		{"env": [{"name": "POSTGRES_PASSWORD", "from": "secretKeyRef"}]},
		{"env_from": true},
		{"args": ["-c", "hba_file=/etc/pg/hba.conf"]},
		{"mounts": [{"mount_path": "/docker-entrypoint-initdb.d"}]},
	] {
		found(of_image("postgres", "library/postgres", [11, 4], overrides)) == set()
	}
	found(of_image("postgres", "bitnami/postgresql", [11, 4], {})) == set()
}

clickhouse(variables) := found(of_image("clickhouse", "clickhouse/clickhouse-server", [25, 1], {"env": [
	{"name": name, "value": value} |
	some name, value in variables
]}))

test_clickhouse_with_an_empty_password_is_open if {
	some v in clickhouse({"CLICKHOUSE_USER": "default", "CLICKHOUSE_PASSWORD": "", "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1"})
	endswith(v.msg, "with CLICKHOUSE_PASSWORD empty, user default has none, and may come from any address")
	some w in clickhouse({"CLICKHOUSE_USER": "app"})
	contains(w.msg, "user app has none")
	clickhouse({"CLICKHOUSE_USER": "app", "CLICKHOUSE_PASSWORD": "x"}) == set()
	clickhouse({"CLICKHOUSE_USER": "default", "CLICKHOUSE_PASSWORD": ""}) == set()
	clickhouse({}) == set()
}

test_redis_does_not_read_its_password if {
	password := {"env": [{"name": "REDIS_PASSWORD", "from": "secretKeyRef"}]}
	some v in found(of_image("redis", "library/redis", [7, 4, 2], password))
	endswith(v.msg, "its image does not read REDIS_PASSWORD")
	startswith(v.fix, "Add redis-server --requirepass $(REDIS_PASSWORD) as its args, and in the same step give clients,")
	some flags in found(of_image("redis", "library/redis", [7, 4, 2], object.union(password, {"args": ["--appendonly", "yes"]})))
	startswith(flags.fix, "Add --requirepass $(REDIS_PASSWORD) to its args")
	script := object.union(password, {"command": ["sh", "-c", "exec redis-server --appendonly yes"]})
	some shell in found(of_image("redis", "library/redis", [7, 4, 2], script))
	startswith(shell.fix, `Add --requirepass "$REDIS_PASSWORD" behind redis-server in its script,`)
	found(of_image("redis", "library/redis", [7, 4, 2], object.union(password, {"env_from": true}))) == set()
	found(of_image("redis", "library/redis", [8, 2], password)) == set()
	count(found(of_image("redis", "valkey/valkey", [8, 1], password))) == 1
	found(of_image("redis", "bitnami/redis", [7, 4, 2], password)) == set()
	every overrides in [
		{"args": ["--requirepass", "$(REDIS_PASSWORD)"]},
		{"command": ["redis-server", "/etc/redis/redis.conf"]},
		{"env": [password.env[0], {"name": "VALKEY_EXTRA_FLAGS", "value": "--requirepass x"}]},
		{"env": [password.env[0], {"name": "REDIS_ARGS", "value": "--requirepass x"}]},
		{"env": []},
	] {
		found(of_image("redis", "library/redis", [7, 4, 2], object.union(password, overrides))) == set()
	}
}
