# METADATA
# title: Variables of the first start are not mistaken for settings
# description: >-
#   POSTGRES_DB, MYSQL_PASSWORD, MONGO_INITDB_ROOT_USERNAME and their like are read once: when the image starts on an
#   empty data directory. A later change restarts the pods and does nothing else. The database, the role or the
#   password that the change was for does not exist, applications that follow it cannot log in, and an old password
#   keeps working. This policy compares the variables before and after an update where the manifest shows both values;
#   a reference to another Secret is not told. Where the data goes with the old pod, the new one does read them.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#environment-variables
# - ref: https://github.com/docker-library/docs/blob/master/mysql/README.md#environment-variables
# - ref: https://github.com/docker-library/docs/blob/master/mongo/README.md#environment-variables
# - ref: https://www.rabbitmq.com/docs/access-control#default-state
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: Make the change in the database itself, then let the variables follow.
#   why: "the pods restart, and the database, the role or the password is still the old one"
package stategate.lifecycle.init_variables_unchanged

import data.stategate.lib.engines
import data.stategate.lib.pod_data

violation contains v if {
	# The new pod starts on an empty directory.
	not pod_data.gone
	some container in input.workload.containers
	container.role == "main"
	some before in input.old_workload.containers
	before.name == container.name
	names := object.get(variables, engines.of(container), [])
	changed := [variable |
		some variable in container.env
		variable.name in names
		not follows(container, variable.name)
		changes(before, variable)
		text := variable.value
		not contains(text, "$(")
	]
	count(changed) > 0
	list := concat(", ", [variable.name | some variable in changed])
	v := {
		"msg": sprintf(
			"container %s reads %s on an empty data directory only: the change restarts it and does nothing else",
			[container.name, list],
		),
		"path": changed[0].path,
		"key": sprintf("%s %s", [container.name, list]),
		"fix": sprintf("%s, then let the variables follow", [ways[engines.of(container)]]),
	}
}

changes(before, variable) if {
	some old in before.env
	old.name == variable.name
	old.value != variable.value
}

# A new one; if all of a ConfigMap or a Secret is read, it may have been there already.
changes(before, variable) if {
	not before.env_from
	variable.value
	count([old | some old in before.env; old.name == variable.name]) == 0
}

# Red Hat's images set the passwords anew at every start. A mirror may keep official images under a name like theirs.
follows(container, name) if {
	endswith(name, "_PASSWORD")
	regex.match(red_hat, container.image.repository)
	not regex.match(`^[0-9]+\.[0-9]+\.[0-9]+`, object.get(container.image, "tag", ""))
}

red_hat := concat("", [
	`(^|/)(rhel[0-9]+|centos[0-9]*|sclorg|openshift[0-9]*|fedora)/`,
	`(postgresql|mysql|mariadb|mongodb)(-[^/]*)?$`,
])

variables := {
	"postgres": [
		"POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_HOST_AUTH_METHOD", "POSTGRES_INITDB_ARGS",
		"POSTGRESQL_DATABASE", "POSTGRESQL_USERNAME", "POSTGRESQL_PASSWORD", "POSTGRESQL_INITDB_ARGS",
	],
	"mysql": [
		"MYSQL_DATABASE", "MYSQL_USER", "MYSQL_PASSWORD", "MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_HOST",
		"MARIADB_DATABASE", "MARIADB_USER", "MARIADB_PASSWORD", "MARIADB_ROOT_PASSWORD", "MARIADB_ROOT_HOST",
	],
	"mongodb": ["MONGO_INITDB_DATABASE", "MONGO_INITDB_ROOT_USERNAME", "MONGO_INITDB_ROOT_PASSWORD"],
	"rabbitmq": ["RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS", "RABBITMQ_DEFAULT_VHOST"],
	"influxdb": [
		"DOCKER_INFLUXDB_INIT_USERNAME", "DOCKER_INFLUXDB_INIT_PASSWORD", "DOCKER_INFLUXDB_INIT_ORG",
		"DOCKER_INFLUXDB_INIT_BUCKET", "DOCKER_INFLUXDB_INIT_RETENTION", "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN",
	],
}

ways := {
	"postgres": "Use CREATE DATABASE, CREATE ROLE or ALTER ROLE … PASSWORD, or edit pg_hba.conf; arguments of initdb take a new database",
	"mysql": "Use CREATE DATABASE, CREATE USER or ALTER USER … IDENTIFIED BY",
	"mongodb": "Use db.createUser() or db.changeUserPassword()",
	"rabbitmq": "Use rabbitmqctl add_user, change_password or add_vhost",
	"influxdb": "Use influx user, influx org or influx bucket",
}
