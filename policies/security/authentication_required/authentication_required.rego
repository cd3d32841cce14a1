# METADATA
# title: Data stores ask who comes in
# description: >-
#   Images of data stores have switches that turn authentication off, meant for trying them out. With one of them set,
#   whoever reaches the port, which by default is every pod of the cluster, reads and deletes everything.
#   Looked for are the variables in switches with one of the values there, in containers that run a known engine.
#   Switches in configuration files, and stores that need no switch to be open, are not seen. Caches pass.
# related_resources:
# - ref: https://hub.docker.com/_/postgres
# - ref: https://www.postgresql.org/docs/current/auth-trust.html
# - ref: https://www.elastic.co/docs/reference/elasticsearch/configuration-reference/security-settings
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, Pod]}
#   parameters:
#     switches:
#       type: map
#       of: list
#       default:
#         POSTGRES_HOST_AUTH_METHOD: [trust]
#         ALLOW_EMPTY_PASSWORD: ["yes", "true", "1"]
#         MYSQL_ALLOW_EMPTY_PASSWORD: ["yes", "true", "1"]
#         MARIADB_ALLOW_EMPTY_ROOT_PASSWORD: ["yes", "true", "1"]
#         ALLOW_NONE_AUTHENTICATION: ["yes", "true", "1"]
#         xpack.security.enabled: ["false"]
#         DISABLE_SECURITY_PLUGIN: ["true"]
#         plugins.security.disabled: ["true"]
#       description: Variables, and their values in small letters, that turn authentication off.
#   fix: Take the variable out, and give the data store a password from a Secret.
package stategate.security.authentication_required

violation contains v if {
	some container in input.workload.containers
	container.engine != ""
	some variable in container.env
	lower(variable.value) in input.parameters.switches[variable.name]
	v := {
		"msg": sprintf(
			"%s=%s lets everybody who reaches container %s in without a password",
			[variable.name, variable.value, container.name],
		),
		"path": variable.path,
		"fix": sprintf("Take %s out, and give the data store a password from a Secret", [variable.name]),
	}
}
