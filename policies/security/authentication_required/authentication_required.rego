# METADATA
# title: Data stores require authentication
# description: >-
#   Images of data stores have switches that turn authentication off, meant for trying them out. With one of them
#   set, anyone who can reach the port, which by default is every pod of the cluster, can read and delete everything.
#   This policy looks for the variables in switches with one of the values listed there, and for the arguments in
#   flags, in containers that run a known engine. A variable that allows an empty password passes if a password is
#   set as well. Switches in configuration files, and stores that are open without any switch, are not detected.
#   Caches pass. Some images read these variables only when they create their data directory: afterwards change the
#   setting there, too.
# related_resources:
# - ref: https://hub.docker.com/_/postgres
# - ref: https://www.postgresql.org/docs/current/auth-trust.html
# - ref: https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/security-settings
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
#         DISABLE_SECURITY_PLUGIN: ["true"]
#         plugins.security.disabled: ["true"]
#       description: Variables, and their values (globs, in lower case), that turn authentication off.
#     flags:
#       type: map
#       of: list
#       default:
#         cockroach: ["--insecure", "--insecure=true"]
#         mysql: ["--skip-grant-tables", "--skip-grant-tables=on", "--skip-grant-tables=1"]
#         elasticsearch: ["-expack.security.enabled=false", "-eplugins.security.disabled=true"]
#       description: Arguments (globs, in lower case), by data store, that turn authentication off.
#   fix: Remove the variable, and give the data store a password from a Secret.
#   why: by default every pod of the cluster reaches the port, and can then read and delete everything
package stategate.security.authentication_required

import data.stategate.lib.globs

violation contains v if {
	some container in input.workload.containers
	container.engine != ""
	some variable in container.env
	globs.matches_any(input.parameters.switches[variable.name], lower(variable.value))
	not has_password(container, variable)
	v := {
		"msg": sprintf(
			"%s=%s lets everybody who reaches container %s in without a password",
			[variable.name, variable.value, container.name],
		),
		"path": variable.path,
		"fix": sprintf("Take %s out, and give the data store a password from a Secret", [variable.name]),
	}
}

violation contains v if {
	some container in input.workload.containers
	flags := input.parameters.flags[container.engine]
	some field in ["command", "args"]
	some i, word in container[field]
	globs.matches_any(flags, lower(word))
	v := {
		"msg": sprintf("%s lets everybody who reaches container %s in without a password", [word, container.name]),
		"path": array.concat(container.path, [field, i]),
		"fix": sprintf("Take %s out, and give the data store certificates or a password", [word]),
	}
}

# The switch only permits an empty password: with a password set, the store is not open.
has_password(container, variable) if {
	contains(variable.name, "ALLOW_EMPTY")
	some other in container.env
	regex.match(`PASSWORD(_FILE)?$`, other.name)
	not contains(other.name, "ALLOW_EMPTY")
	object.get(other, "value", "from elsewhere") != ""
}
