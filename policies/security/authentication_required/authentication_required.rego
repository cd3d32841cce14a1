# METADATA
# title: Data stores require authentication
# description: >-
#   Images of data stores have switches that turn authentication off, meant for trying them out. With one of them set,
#   anyone who can reach the port, which by default is every pod of the cluster, can read and delete everything. This
#   policy looks for the variables in switches with one of the values listed there, and for the arguments in flags, also
#   in scripts there, in containers that run a known engine. Elasticsearch from 6.8 to 7.17 is open unless its security
#   is turned on, so there the absence of xpack.security.enabled is flagged, unless a script or a mounted configuration
#   may set it. ReadonlyREST or Search Guard may take the place of that security: Elasticsearch passes if its image, a
#   command that installs the plugin, or a setting of it shows one that is not turned off. What they let in is not seen.
#   A variable that allows an empty password passes if a password is set as well. Three images are known to be open
#   without a switch: PostgreSQL's until February 2020 without POSTGRES_PASSWORD, ClickHouse's that is told of a user or
#   of access management and has no CLICKHOUSE_PASSWORD, and the official ones of Redis (before 8) and Valkey, which do
#   not read REDIS_PASSWORD; what a mounted configuration, a command or envFrom may set passes. Switches in configuration files, and
#   other stores that are open without any switch, are not detected. Caches pass. Some images read these variables only
#   when they create their data directory: afterwards the setting has to be changed there.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/services-networking/network-policies/
# - ref: https://hub.docker.com/_/postgres
# - ref: https://www.postgresql.org/docs/current/auth-trust.html
# - ref: https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/security-settings
# - ref: https://www.elastic.co/guide/en/elasticsearch/reference/7.17/security-settings.html
# - ref: https://www.elastic.co/guide/en/elasticsearch/reference/7.17/security-minimal-setup.html
# - ref: https://github.com/sscarduzio/elasticsearch-readonlyrest-plugin
# - ref: https://github.com/docker-library/postgres/pull/658
#   description: Since then, the image of PostgreSQL does not start without a password.
# - ref: https://github.com/ClickHouse/ClickHouse/blob/master/docker/server/entrypoint.sh
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   parameters:
#     switches:
#       type: map
#       of: list
#       default:
#         POSTGRES_HOST_AUTH_METHOD: [trust]
#         ALLOW_EMPTY_PASSWORD: ["yes", "true", "1"]
#         MYSQL_ALLOW_EMPTY_PASSWORD: ["?*"]
#         MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: ["?*"]
#         ALLOW_NONE_AUTHENTICATION: ["yes", "true", "1"]
#         xpack.security.enabled: ["false"]
#         ES_SETTING_XPACK_SECURITY_ENABLED: ["false"]
#         DISABLE_SECURITY_PLUGIN: ["true"]
#         plugins.security.disabled: ["true"]
#         NEO4J_AUTH: [none]
#         NEO4J_dbms_security_auth__enabled: ["false"]
#         ARANGO_NO_AUTH: ["1", "true", "yes"]
#       description: Variables, and their values (globs, in lower case), that turn authentication off.
#     flags:
#       type: map
#       of: list
#       default:
#         cockroach: ["--insecure", "--insecure=true"]
#         mysql: ["--skip-grant-tables", "--skip-grant-tables=on", "--skip-grant-tables=1"]
#         mongodb: ["--noauth"]
#         elasticsearch: ["-expack.security.enabled=false", "-eplugins.security.disabled=true"]
#       description: Arguments (globs, in lower case), by data store, that turn authentication off.
#   fix: >-
#     Give the data store a password from a Secret, also in the data that exists, and remove the variable or set it to
#     what turns authentication on.
#   why: by default every pod of the cluster reaches the port, and can then read and delete everything
package stategate.security.authentication_required

import data.stategate.lib.globs
import data.stategate.lib.kept_data
import data.stategate.lib.publishers
import data.stategate.lib.settings
import data.stategate.lib.versions

violation contains v if {
	some container in input.workload.containers
	container.engine != ""
	some variable in container.env
	globs.matches_any(input.parameters.switches[variable.name], lower(variable.value))
	not has_password(container, variable)
	not guarded_otherwise(container)
	v := {
		"msg": sprintf(
			"%s=%s lets everybody who reaches container %s in without a password",
			[variable.name, variable.value, container.name],
		),
		"path": variable.path,
		"fix": remedy(container, variable.name),
	}
}

violation contains v if {
	some container in input.workload.containers
	flags := input.parameters.flags[container.engine]
	some word in settings.words(container)
	globs.matches_any(flags, lower(word.text))
	not shut(container)
	not guarded_otherwise(container)
	v := {
		"msg": sprintf("%s lets everybody who reaches container %s in without a password", [word.text, container.name]),
		"path": word.path,
		"fix": remedy(container, word.text),
	}
}

# Nobody reaches it from outside.
shut(container) if {
	some word in settings.words(container)
	word.text in {"--skip-networking", "--skip-networking=on", "--skip-networking=1"}
}

# Elasticsearch turned its security on by default in 8.0; before 6.8 it was not free.
violation contains v if {
	some container in input.workload.containers
	open_by_default(container)
	not may_be_closed(container)
	not guarded_otherwise(container)
	v := {
		"msg": sprintf(
			"container %s lets everybody in without a password: before 8.0, xpack.security.enabled is false by default",
			[container.name],
		),
		"path": container.path,
		"key": concat("/", ["xpack.security.enabled", container.name]),
		"fix": remedy(container, "xpack.security.enabled"),
	}
}

# A plugin of somebody else, which needs the security of Elasticsearch turned off.
guarded_otherwise(container) if {
	container.engine == "elasticsearch"
	has_a_guard(container)
	every setting in of_guards(container) {
		not turns_off(setting)
	}
}

has_a_guard(container) if {
	image := container.image
	regex.match(guards, image.repository)
}

has_a_guard(container) if {
	text := concat(" ", array.concat(container.command, container.args))
	contains(text, "install")
	regex.match(concat("", [`(?im)^[^#\n]*plugin["']?\s+install\s[^#;&|\n]*`, guards]), text)
}

# Without the plugin, Elasticsearch does not know its settings, and does not start.
has_a_guard(container) if count(of_guards(container)) > 0

# Images of one's own install it when they start, if this says so.
has_a_guard(container) if {
	image := container.image
	not publishers.known(image)
	some variable in container.env
	variable.name == "ENABLE_READONLY_REST"
	lower(variable.value) == "true"
}

guards := `(readonly[_-]?rest|search[_-]?guard)`

# A variable without a value is skipped.
of_guards(container) := [setting |
	some setting in array.concat(
		[{"name": variable.name, "value": value} |
			some variable in container.env
			value := object.get(variable, "value", "from elsewhere")
			value != ""
		],
		array.concat(
			[{"name": trim_prefix(given.name, "e"), "value": given.value} | some given in settings.given(container)],
			[{"name": trim_right(line.name, ":"), "value": line.value} |
				some line in settings.in_files(container, `/(elasticsearch|readonlyrest)\.ya?ml$`)
			],
		),
	)
	regex.match(`^(searchguard\.|readonlyrest(\.|$))`, setting.name)
]

turns_off(setting) if {
	endswith(setting.name, ".disabled")
	lower(setting.value) != "false"
}

turns_off(setting) if {
	endswith(setting.name, ".enable")
	lower(setting.value) == "false"
}

open_by_default(container) if {
	container.role == "main"
	container.engine == "elasticsearch"
	container.name == input.workload.engine.container
	image := container.image
	regex.match(`(^|/)(library|elasticsearch)/elasticsearch$`, image.repository)
	release := input.workload.engine.release
	not versions.below(release, "6.8")
	versions.below(release, "8")
}

# Images that let everybody in without a password that they read.
violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	image := container.image
	[what, way] := open_image(container, image.repository)
	v := {
		"msg": sprintf("container %s lets everybody in without a password: %s", [container.name, what]),
		"path": container.path,
		"key": concat("/", ["password", container.name]),
		"fix": way,
	}
}

# Until February 2020, trust for all hosts went into pg_hba.conf.
open_image(container, repository) := [what, way] if {
	container.engine == "postgres"
	container.name == input.workload.engine.container
	release := input.workload.engine.release
	release[0] < 13
	regex.match(`(^|/)library/postgres$`, repository)
	not container.env_from
	count(container.command) == 0
	not has_value(container, {"POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"})
	every_host_is_trusted(release)
	not told_otherwise(container, `hba|config_file|docker-entrypoint-initdb`)
	what := "without POSTGRES_PASSWORD, this old image writes trust for all hosts into a new data directory"
	way := concat("", ["Give all roles that log in passwords (ALTER ROLE", hashed(release), to_passwords])
}

# The image of today keeps strangers out only where none of these variables is set.
open_image(container, repository) := [what, way] if {
	container.engine == "clickhouse"
	regex.match(`(^|/)(clickhouse|yandex)/clickhouse-server$|(^|/)library/clickhouse$`, repository)
	not container.env_from
	count(container.command) == 0
	not has_value(container, {"CLICKHOUSE_PASSWORD", "CLICKHOUSE_PASSWORD_FILE", "CLICKHOUSE_SKIP_USER_SETUP", "CLICKHOUSE_CONFIG"})
	not told_otherwise(container, `users|config|/etc/clickhouse-server|docker-entrypoint-initdb`)
	name := user_of_clickhouse(container)
	what := sprintf("with CLICKHOUSE_PASSWORD empty, user %s has none, and may come from any address", [name])
	way := concat(" ", [
		"Set CLICKHOUSE_PASSWORD from a Secret, and give it to all clients, probes and replicas (remote_servers) in the same",
		"step: from then on, an empty one lets nobody in",
	])
}

open_image(container, repository) := [what, way] if {
	container.engine == "redis"
	regex.match(`(^|/)library/redis$|(^|/)valkey/valkey$`, repository)
	container.name == input.workload.engine.container
	release := input.workload.engine.release
	versions.below(release, first_unknown[kept_data.last_part(repository)])
	name := [one | some one in ["REDIS_PASSWORD", "VALKEY_PASSWORD"]; has_value(container, {one})][0]
	not container.env_from
	not told_otherwise(container, `PASSWORD|requirepass|aclfile|--user|\.conf|\.sh`)
	what := sprintf("its image does not read %s", [name])
	way := sprintf(
		"Add %s, and in the same step give clients, replicas (masterauth) and probes (REDISCLI_AUTH) the password",
		[required(container, name)],
	)
}

# What follows a script goes to the shell, which passes it over.
required(container, name) := sprintf(`--requirepass "$%s" behind redis-server in its script`, [name]) if {
	some text in array.concat(container.command, container.args)
	regex.match(`\s`, trim_space(text))
} else := sprintf("redis-server --requirepass $(%s) as its args", [name]) if {
	count(array.concat(container.command, container.args)) == 0
} else := sprintf("--requirepass $(%s) to its args", [name])

# What later images will read is not known.
first_unknown := {"redis": "8", "valkey": "9"}

every_host_is_trusted(release) if versions.below(release, "9.4")

every_host_is_trusted(release) if {
	some series, first in {"9.4": "9.4.25", "9.5": "9.5.20", "9.6": "9.6.16", "10": "10.11", "11": "11.6", "12": "12.1"}
	not versions.below(release, series)
	versions.below(release, first)
	startswith(concat(".", [sprintf("%d", [number]) | some number in release]), concat("", [series, "."]))
}

to_passwords := concat(" ", [
	") and tell their clients, replicas among them; write that method for trust in the host lines of pg_hba.conf in the",
	"data directory and reload; then set POSTGRES_PASSWORD from a Secret",
])

hashed(release) := ", hashed as md5" if {
	versions.below(release, "10")
} else := ", with password_encryption set to scram-sha-256 first"

user_of_clickhouse(container) := name if {
	some variable in container.env
	variable.name == "CLICKHOUSE_USER"
	name := variable.value
	not name in {"", "default"}
} else := "default" if {
	some variable in container.env
	variable.name == "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT"
	value := variable.value
	not value in {"", "0"}
	every other in container.env {
		is_default(other)
	}
}

is_default(variable) if variable.name != "CLICKHOUSE_USER"

is_default(variable) if object.get(variable, "value", "from elsewhere") in {"", "default"}

has_value(container, names) if {
	some variable in container.env
	variable.name in names
	object.get(variable, "value", "from elsewhere") != ""
}

told_otherwise(container, pattern) if {
	some text in array.concat(
		array.concat(container.command, container.args),
		[mount.mount_path | some mount in container.mounts],
	)
	regex.match(pattern, text)
}

told_otherwise(container, pattern) if {
	some variable in container.env
	regex.match(`_(ARGS|FLAGS)$`, variable.name)
	value := object.get(variable, "value", "PASSWORD")
	regex.match(pattern, value)
}

may_be_closed(container) if container.env_from

may_be_closed(container) if {
	some variable in container.env
	variable.name in {"xpack.security.enabled", "ES_SETTING_XPACK_SECURITY_ENABLED", "ES_PATH_CONF"}
}

may_be_closed(container) if {
	some word in array.concat(container.command, container.args)
	regex.match(`xpack\.security|[ \n;&]|\.sh$|(^|/)(ba|da)?sh$`, word)
}

may_be_closed(container) if {
	some mount in container.mounts
	startswith(mount.mount_path, "/usr/share/elasticsearch/config")
	not regex.match(`(?i)cert|tls|ssl`, mount.mount_path)
}

# What closes the store for good, also where it has data already.
remedy(container, switch) := text if {
	text := elasticsearch[concat("/", [container.engine, switch])]
} else := text if {
	text := ways[switch]
} else := text if {
	text := by_engine[container.engine]
} else := sprintf("Give the data store's users passwords from a Secret, and then take %s out", [switch])

in_elasticsearch := concat(" ", [
	"Make certificates for the transport layer (elasticsearch-certutil; xpack.security.transport.ssl.*), set",
	"xpack.security.enabled to \"true\", stop all nodes and start them again (both kinds do not mix), then set the passwords",
	"(elasticsearch-setup-passwords before 8.0)",
])

elasticsearch := {
	"elasticsearch/xpack.security.enabled": in_elasticsearch,
	"elasticsearch/ES_SETTING_XPACK_SECURITY_ENABLED": in_elasticsearch,
	"elasticsearch/-Expack.security.enabled=false": in_elasticsearch,
}

in_opensearch := concat(" ", [
	"Make certificates and password hashes of your own (the demo ones are public) and configure the security plugin with",
	"them; then stop all nodes, take the switch out and start them again (both kinds do not mix)",
])

# One entry for each host: a root without a password is left at '%'.
of_root := concat(" ", [
	"Give whatever logs in as root (clients, probes, sidecars, replication) its password; ALTER USER each of root's entries",
	"(SELECT user, host FROM mysql.user shows them),",
])

# A database that exists has a user already, and does not read its password from the variable.
of_neo4j := concat(" ", [
	"Give its clients a user and a password; then take this out, set NEO4J_AUTH to neo4j/PASSWORD from a Secret, and at",
	"once log in as neo4j: if the database is older, its password may still be neo4j, to be changed at that login",
])

# The images read these variables only for a new data directory.
ways := {
	"POSTGRES_HOST_AUTH_METHOD": concat(" ", [
		"Give all roles that log in passwords (ALTER ROLE; before 14, set password_encryption to scram-sha-256 first) and tell",
		"their clients, replicas among them; write scram-sha-256 for trust in the host lines of pg_hba.conf in the data",
		"directory and reload; then take the variable out and set POSTGRES_PASSWORD from a Secret",
	]),
	"ALLOW_EMPTY_PASSWORD": concat(" ", [
		"Set the password in the store, give it to the container from a Secret, then set this to \"no\" (without it, images may",
		"have a \"yes\" of their own)",
	]),
	"ALLOW_NONE_AUTHENTICATION": concat(" ", [
		"Give each client a user with a role, without which it may do nothing (etcdctl user add, role add, role",
		"grant-permission --prefix ROLE readwrite KEY, user grant-role), and have them log in; then add root, run etcdctl",
		"auth enable, set ETCD_ROOT_PASSWORD from a Secret (the probes log in with it), and take this out",
	]),
	"MYSQL_ALLOW_EMPTY_PASSWORD": concat(" ", [of_root, "then set MYSQL_ROOT_PASSWORD from a Secret instead"]),
	"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": concat(" ", [of_root, "then set MARIADB_ROOT_PASSWORD from a Secret instead"]),
	"NEO4J_AUTH": of_neo4j,
	"NEO4J_dbms_security_auth__enabled": of_neo4j,
	"--noauth": concat(" ", [
		"Create users for all clients (db.createUser, the first one with the role root); then write --auth for --noauth. A replica",
		"set takes two rollouts, or loses its majority: --keyFile with --transitionToAuth for --noauth, and then without that",
	]),
	"DISABLE_SECURITY_PLUGIN": in_opensearch,
	"plugins.security.disabled": in_opensearch,
	"-Eplugins.security.disabled=true": in_opensearch,
}

# By flags that come in several spellings.
by_engine := {
	"cockroach": "Make certificates (cockroach cert), stop all nodes, and start all with --certs-dir in place of --insecure: both kinds do not mix",
	"mysql": "Reset the password that made it necessary (FLUSH PRIVILEGES; ALTER USER), then take the switch out",
}

# The switch only permits an empty password: with a password set, the store is not open.
has_password(container, variable) if {
	contains(variable.name, "ALLOW_EMPTY")
	some other in container.env
	regex.match(`PASSWORD(_FILE)?$`, other.name)
	not contains(other.name, "ALLOW_EMPTY")
	object.get(other, "value", "from elsewhere") != ""
}
