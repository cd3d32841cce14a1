package stategate.encryption.secret_no_literal_env_test

import data.stategate.encryption.secret_no_literal_env as policy

variable(name, value) := {
	"name": name,
	"value": value,
	"from": "",
	"path": ["spec", "template", "spec", "containers", 0, "env", 0],
}

container(variables) := {
	"name": "db",
	"role": "main",
	"env": variables,
	"mounts": [{"mount_path": "/etc/keys/"}, {"mount_path": "/data"}],
	"path": ["spec", "template", "spec", "containers", 0],
}

request(variables) := {
	"workload": {"containers": [container(variables)]},
	"parameters": {"allow_names": ["TLS_SECRET", "*CLUSTER_TOKEN"]},
}

found(variables) := violations if violations := policy.violation with input as request(variables)

test_literal_password_fails_and_is_not_shown if {
	some v in found([variable("POSTGRES_PASSWORD", "hunter2")])
	v.msg == "variable POSTGRES_PASSWORD of container db holds a credential, in plain text"
	v.path == ["spec", "template", "spec", "containers", 0, "env", 0, "name"]
	contains(v.fix, "secretKeyRef")
	not contains(v.fix, "hunter2")
}

test_names_of_credentials if {
	every name in [
		"PGPASSWORD", "MYSQL_PWD", "dbPassword", "SMTP_PASS", "AWS_SECRET_ACCESS_KEY", "MINIO_SECRET_KEY", "API_TOKEN",
		"RABBITMQ_ERLANG_COOKIE", "MONGODB_REPLICA_SET_KEY", "spring.datasource.password", "CLIENT_SECRET",
		"ENCRYPTION_KEY", "GCP_CREDENTIALS", "REDISCLI_AUTH", "API_KEY", "KEY_PASSPHRASE", "SSH_PRIVATE_KEY",
	] {
		count(found([variable(name, "hunter2")])) == 1
	}
}

test_other_names_pass if {
	every name in [
		"POSTGRES_PASSWORD_FILE", "PASSWORD_ENCRYPTION", "PGDATA", "PWD", "OLDPWD", "COMPASS", "MAX_TOKENS",
		"AWS_ACCESS_KEY_ID", "SECRET_NAME", "KEYSPACE",
	] {
		found([variable(name, "value")]) == set()
	}
}

test_published_constants_pass if {
	found([variable("HORIZON_PASSPHRASE", "Public Global Stellar Network ; September 2015")]) == set()
	count(found([variable("HORIZON_PASSPHRASE", "correct horse")])) == 1
}

test_value_from_elsewhere_passes if {
	found([{"name": "POSTGRES_PASSWORD", "from": "secretKeyRef", "path": []}]) == set()
	found([{"name": "POSTGRES_PASSWORD", "from": "configMapKeyRef", "path": []}]) == set()
}

test_values_that_are_no_credential_pass if {
	every value in ["", "$(PG_PASSWORD)", "${PG_PASSWORD}", "<password>", "yes", "False", "/etc/keys/pg", "/var/run/secrets/tokens/vault"] {
		found([variable("DB_PASSWORD", value)]) == set()
	}
}

test_file_that_is_mounted_alone_passes if {
	found([variable("LOAD_CREDENTIALS", "/etc/keys")]) == set()
}

test_path_of_credentials_passes if {
	found([variable("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/google/Key.json")]) == set()
	found([variable("LOAD_CREDENTIALS", "/usr/local/bin/load-credentials")]) == set()
	count(found([variable("GOOGLE_APPLICATION_CREDENTIALS", "{\"private_key\": \"x\"}")])) == 1
	count(found([variable("APP_CREDENTIALS", "/9qWe+hunter2/abc")])) == 1
	count(found([variable("DB_PASSWORD", "/run/pg/hunter2")])) == 1
}

test_name_of_a_secret_passes if {
	spec := {
		"imagePullSecrets": [{"name": "regcred"}],
		"volumes": [{"name": "tls", "secret": {"secretName": "web-tls"}}, {"name": "data"}],
		"containers": [{
			"name": "db",
			"envFrom": [{"secretRef": {"name": "pg-env"}}, {"configMapRef": {"name": "hunter2"}}],
			"env": [{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "pg-login", "key": "pw"}}}],
		}],
	}
	named := [
		variable("REGISTRY_SECRET", "regcred"),
		variable("INGRESS_SECRET", "web-tls"),
		variable("ENV_SECRET", "pg-env"),
		variable("ADMIN_CREDENTIALS", "pg-login"),
	]
	document := object.union(request(named), {"review": {"object": {"spec": {"template": {"spec": spec}}}}})
	in_pods := object.union(document, {"workload": {"pods": {"spec_path": ["spec", "template", "spec"]}}})
	policy.violation == set() with input as in_pods
	other := object.union(in_pods, {"workload": {"containers": [container([
		variable("CLIENT_SECRET", "hunter2"),
		variable("REGISTRY_PASSWORD", "regcred"),
	])]}})
	count(policy.violation) == 2 with input as other
	count(found(named)) == 4
}

test_value_that_says_it_is_a_secret_of_kubernetes_passes if {
	found([variable("USER_CREDENTIALS_SECRET", "app-user-credentials")]) == set()
	count(found([variable("JWT_SECRET", "my-app-secret")])) == 1
}

# Some passwords begin with a slash.
test_path_that_is_not_mounted_fails if {
	every value in ["/9qWe+hunter2", "/etc/keysfoo"] {
		count(found([variable("DB_PASSWORD", value)])) == 1
	}
}

test_password_in_a_url_fails_whatever_the_name if {
	some v in found([variable("DATABASE_URL", "postgres://app:hunter2@pg/shop")])
	v.msg == "variable DATABASE_URL of container db has a password within its value, in plain text"
	not contains(v.fix, "hunter2")
}

test_password_in_a_connection_string_fails if {
	count(found([variable("DSN", "host=pg user=app password=hunter2")])) == 1
}

test_connection_string_without_password_passes if {
	found([variable("CONNECTION_STRING", "zk-0:2181,zk-1:2181")]) == set()
	count(found([variable("CONNECTION_STRING", "AccountName=shop;AccountKey=aHVudGVyMg==")])) == 1
}

test_url_with_a_reference_passes if {
	found([variable("DATABASE_URL", "postgres://app:$(DB_PASSWORD)@pg/shop")]) == set()
}

test_one_variable_is_one_finding if {
	count(found([variable("DB_CONNECTION_STRING", "postgres://app:hunter2@pg/shop")])) == 1
}

test_allowed_names_pass if {
	found([variable("TLS_SECRET", "pg-tls"), variable("ETCD_INITIAL_CLUSTER_TOKEN", "etcd-shop")]) == set()
}

test_every_container_is_judged if {
	init := object.union(container([variable("PGPASSWORD", "hunter2")]), {"name": "init", "role": "init"})
	document := object.union(request([]), {"workload": {"containers": [init, container([variable("TOKEN", "x")])]}})
	count(policy.violation) == 2 with input as document
}

of_map(name, from, value) := {
	"name": name,
	"value": value,
	"from": from,
	"config_map": "db-env",
	"path": ["spec", "template", "spec", "containers", 0, "envFrom", 0],
}

test_credential_of_a_config_map_fails_and_is_not_shown if {
	some v in found([of_map("POSTGRES_PASSWORD", "configMapRef", "hunter2")])
	v.msg == "variable POSTGRES_PASSWORD of container db holds a credential, in plain text in ConfigMap db-env"
	v.path == ["spec", "template", "spec", "containers", 0, "envFrom", 0]
	contains(v.fix, "envFrom.secretRef")
	startswith(v.fix, "Put it as it is into a Secret")
	not contains(v.fix, "hunter2")
	some other in found([of_map("POSTGRES_PASSWORD", "configMapKeyRef", "hunter2")])
	contains(other.fix, "valueFrom.secretKeyRef")
}

test_a_later_source_counts if {
	sources := [{"configMapRef": {"name": "db-env"}}, {"secretRef": {"name": "db-keys"}}]
	document := object.union(
		request([of_map("POSTGRES_PASSWORD", "configMapRef", "hunter2")]),
		{"review": {"object": {"spec": {"template": {"spec": {"containers": [{"envFrom": sources}]}}}}}},
	)
	some v in policy.violation with input as document
	startswith(v.fix, "If Secret db-keys has this name too, only take it out of the ConfigMap. Else put it as it is into a Secret")
}

test_entry_that_several_containers_take_is_told_once if {
	one := container([of_map("POSTGRES_PASSWORD", "configMapRef", "hunter2")])
	document := object.union(request([]), {"workload": {"containers": [one, object.union(one, {"name": "exporter"})]}})
	count(policy.violation) == 1 with input as document
}

test_what_a_config_map_may_say_passes if {
	found([
		of_map("POSTGRES_DB", "configMapRef", "shop"),
		of_map("TLS_SECRET", "configMapRef", "shop-tls"),
		of_map("POSTGRES_PASSWORD", "configMapRef", ""),
	]) == set()
	found([object.remove(of_map("POSTGRES_PASSWORD", "configMapRef", ""), ["value"])]) == set()
}

said_of(name, value) := v.fix if some v in found([variable(name, value)])

test_what_encrypts_or_salts_is_never_just_replaced if {
	every name in [
		"GRAYLOG_PASSWORD_SECRET", "OTP_SECRET", "DRONE_DATABASE_SECRET", "APPSMITH_ENCRYPTION_PASSWORD", "DJANGO_SECRET_KEY",
		"RESTIC_PASSWORD", "PGBACKREST_REPO1_CIPHER_PASS", "SSL_KEYSTORE_PASSWORD", "MB_ENCRYPTION_SECRET_KEY",
		"RUNDECK_STORAGE_CONVERTER_1_CONFIG_PASSWORD",
	] {
		contains(said_of(name, "hunter2"), "encrypted or hashed with it: never just replace it")
	}
	contains(said_of("PLUGIN_SECRET", "hunter2"), "as its program documents: some encrypt with it")
}

test_what_is_issued_elsewhere_is_changed_there if {
	every name in ["GITHUB_TOKEN", "DOCKERHUB_PASS", "AWS_SECRET_ACCESS_KEY", "S3_SECRET_KEY", "SMTP_PASSWORD", "OIDC_CLIENT_SECRET"] {
		contains(said_of(name, "hunter2"), "first in what issues or checks it")
	}
	every name in ["POSTGRES_PASSWORD", "GITLAB_DB_ADMIN", "LETSENCRYPT_PASSWORD"] {
		every fix in [v.fix | some v in found([variable(name, "hunter2")])] {
			contains(fix, "first where it is checked (a data store")
		}
	}
}

test_what_stores_nothing_is_changed_at_once if {
	every name in ["REGISTRY_HTTP_SECRET", "JWT_SECRET", "SESSION_SECRET"] {
		contains(said_of(name, "hunter2"), "in all pods that share it at once")
	}
	contains(said_of("MONGODB_REPLICA_SET_KEY", "hunter2"), "only while all members are stopped")
}

test_a_config_map_may_have_other_readers if {
	some v in found([of_map("DB_PASSWORD", "configMapRef", "hunter2")])
	startswith(v.fix, concat(" ", [
		"Put it as it is into a Secret, refer to it by envFrom.secretRef here and wherever else ConfigMap db-env is read,",
		"and only then take it out there; it has been seen",
	]))
}

test_a_placeholder_is_told_from_a_secret if {
	some v in found([variable("DB_PASSWORD", "changeme")])
	v.msg == "variable DB_PASSWORD of container db holds a placeholder for a credential, in plain text"
	startswith(v.fix, "Take it from a Secret (valueFrom.secretKeyRef), with a value of your own; if something runs")
	some w in found([of_map("DB_PASSWORD", "configMapRef", "CHANGE_ME")])
	startswith(w.fix, "Take DB_PASSWORD from a Secret (envFrom.secretRef) instead of ConfigMap db-env, with")
}

test_what_a_data_store_takes_for_its_password_is_none_to_be_written if {
	variables := [variable("APP_PASSWORD", "your-strong-password")]
	store := policy.violation with input as object.union(request(variables), of_engine(variables, "mysql"))
	count(store) == 1
	tool := policy.violation with input as object.union(request(variables), of_engine(variables, ""))
	tool == set()
}

of_engine(variables, engine) := {"workload": {"containers": [object.union(container(variables), {"engine": engine})]}}

file_of(engine, name, text) := {
	"workload": {"containers": [
		{
			"name": "db",
			"engine": engine,
			"env": [],
			"files": [{"path": concat("/", ["/etc/db", name]), "text": text}],
			"mounts": [
				{"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "path": ["m", 0]},
				{"mount_path": "/etc/db", "volume": "conf", "source": "configMap", "path": ["m", 1]},
			],
		},
		{"name": "helper", "engine": "", "env": [], "mounts": []},
	]},
	"parameters": {"allow_names": []},
}

in_file(engine, name, text) := violations if violations := policy.violation with input as file_of(engine, name, text)

test_password_in_a_file_of_a_config_map_fails_and_is_not_shown if {
	some v in in_file("redis", "redis.conf", "port 6379\n  requirepass hunter2\n# masterauth hunter3")
	v.msg == "requirepass in /etc/db/redis.conf of container db is a credential in plain text, in a ConfigMap (volume conf)"
	v.path == ["m", 1]
	startswith(v.fix, "Put file redis.conf as it is into a Secret, and mount that in place of the ConfigMap, or the line alone")
	not contains(json.marshal(v), "hunter")
}

test_each_data_store_has_words_of_its_own if {
	every case in [
		["redis", "redis.conf", "masterauth \"hunter2\""],
		["redis", "users.acl", "user app on >hunter2 ~* +@all"],
		["redis", "sentinel.conf", "sentinel auth-pass main hunter2"],
		["mysql", "my.cnf", "[client]\nuser = app\npassword = hunter2"],
		["mysql", "galera.cnf", "wsrep_sst_auth=sst:hunter2"],
		["rabbitmq", "rabbitmq.conf", "default_user = app\ndefault_pass = hunter2"],
		["rabbitmq", "10-tls.conf", "ssl_options.password = hunter2"],
		["nats", "nats.conf", "authorization {\n  users = [{user: a, password: \"hunter2\"}]\n}"],
		["nats", "nats.conf", "authorization: {token: hunter2}"],
		["clickhouse", "users.xml", "<users><app><password>hunter2</password></app></users>"],
		["kafka", "server.properties", "listener.name.x.sasl.jaas.config=Plain required username=\"a\" password=\"hunter2\";"],
		["kafka", "kafka_jaas.conf", "KafkaServer {\n user_app=\"hunter2\";\n};"],
	] {
		[engine, name, text] := case
		count(in_file(engine, name, text)) == 1
		in_file("postgres", name, text) == set()
	}
}

test_what_is_no_password_in_a_file_passes if {
	every case in [
		["redis", "redis.conf", "# requirepass hunter2\nmasterauth \"\"\nrequirepass ${PASSWORD}\nrename-command CONFIG \"\""],
		["redis", "redis.conf", "requirepass %PASSWORD%\nmasterauth REDIS_PASSWORD"],
		["redis", "redis.conf", "requirepass REPLACE_ME\nmasterauth \"replace-with-password\""],
		["rabbitmq", "rabbitmq.conf", "ssl_options.password = encrypted:F/bjQkteQENB4rMU"],
		["redis", "users.acl", "user default off\nuser app on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~*"],
		["redis", "start.sh", "requirepass hunter2"],
		["mysql", "my.cnf", "[mysqld]\nvalidate_password.policy=LOW\ndefault_password_lifetime=0\npassword =\nskip-name-resolve"],
		["rabbitmq", "rabbitmq.conf", "default_pass = guest\n# default_pass = hunter2"],
		["nats", "nats.conf", "# users: [{user: a, password: hunter2}]\nhost: x // {a: b, token: hunter2}"],
		["nats", "nats.conf", "password: $NATS_PASSWORD\npassword: \"$2a$11$V1qrpBt8\""],
		["clickhouse", "users.xml", "<!-- <password>qwerty</password> --><password></password>"],
		["kafka", "server.properties", "ssl.keystore.password=\nuser_name=a"],
	] {
		[engine, name, text] := case
		in_file(engine, name, text) == set()
	}
}

test_a_file_that_two_containers_mount_is_told_once if {
	twice := file_of("redis", "redis.conf", "requirepass hunter2")
	some one in twice.workload.containers
	one.name == "db"
	same := array.concat([object.union(one, {"name": "init", "engine": ""})], [one])
	both := object.union(twice, {"workload": {"engine": {"name": "redis"}, "containers": same}})
	violations := policy.violation with input as both
	count(violations) == 1
	some v in violations
	contains(v.msg, "of container init")
}

test_password_of_a_cache_counts if {
	plain := file_of("", "redis.conf", "requirepass hunter2")
	violations := policy.violation with input as plain
	violations == set()
	some one in plain.workload.containers
	one.name == "db"
	cache := {"workload": {"containers": [object.union(one, {"image": {"repository": "library/redis"}})]}}
	counted := policy.violation with input as object.union(plain, cache)
	count(counted) == 1
}

with_more(text, command, files) := violations if {
	plain := file_of("redis", "redis.conf", text)
	some one in plain.workload.containers
	one.name == "db"
	changed := object.union(one, {"command": command, "args": [], "files": array.concat(one.files, files)})
	violations := policy.violation with input as object.union(plain, {"workload": {"containers": [changed]}})
}

test_what_a_script_replaces_passes if {
	text := "requirepass default-auth\nmasterauth default-auth"
	count(with_more(text, [], [])) == 2
	with_more(text, ["sh", "-c", "sed -e 's|default-auth|'$AUTH'|' /etc/db/redis.conf > /data/redis.conf"], []) == set()
	with_more(text, [], [{"path": "/etc/db/init.sh", "text": "sed -i \"s/requirepass default-auth/requirepass $A/\" $C"}]) == set()
	count(with_more(text, ["sh", "-c", "sed -i 's/default-authority/x/;s/x/default-auth/' /data/x"], [])) == 2
}

test_other_files_of_the_volume_stay if {
	with_more("port 1", [], []) == set()
	some v in with_more("requirepass hunter2", [], [{"path": "/etc/db/users.acl", "text": "user default off"}])
	startswith(v.fix, "Put file redis.conf as it is into a Secret, and project both into that volume (projected: sources: ")
}

test_variables_without_effect_are_read if {
	one := object.union(container([]), {"overridden_env": [variable("DB_PASSWORD", "hunter2")]})
	violations := policy.violation with input as {"workload": {"containers": [one]}, "parameters": {"allow_names": []}}
	count(violations) == 1
}

sends(name, value, overrides) := found_in if {
	one := object.union(container([variable(name, value)]), object.union(
		{"name": "ui", "engine": "", "image": {"repository": "open-webui/open-webui"}},
		overrides,
	))
	found_in := policy.violation with input as object.union(request([]), {"workload": {"containers": [one]}})
}

test_a_key_that_nobody_asks_for_passes if {
	every value in [
		"sk-required", "sk-no-key-required", "none", "NOT-NEEDED", "dummy", "unused", "ollama", "EMPTY", "n/a", "placeholder",
	] {
		sends("OPENAI_API_KEY", value, {}) == set()
	}
	every value in ["nonesuch", "sk-proj-Zx81", "changeme"] {
		count(sends("OPENAI_API_KEY", value, {})) == 1
	}
}

test_a_server_takes_a_dummy_for_its_own if {
	count(sends("DB_PASSWORD", "none", {})) == 1
	count(sends("API_KEY", "none", {})) == 1
	count(sends("VLLM_API_KEY", "none", {"image": {"repository": "vllm/vllm-server"}})) == 1
	count(sends("QDRANT__SERVICE__API_KEY", "none", {"engine": "qdrant"})) == 1
}
