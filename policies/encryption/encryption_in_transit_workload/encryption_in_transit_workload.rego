# METADATA
# title: Data stores encrypt their connections or declare how
# description: >-
#   Most data stores use plain text unless configured otherwise: anyone who can listen on the pod network reads
#   passwords and data. Arguments and environment show whether a store uses TLS; a configuration file or a mesh does
#   not show there, so the workload declares it with the annotation stategate.io/tls: native or mesh. This policy
#   checks workloads whose main containers run a data store. An argument or variable that turns TLS on
#   (tls_arguments, tls_variables) is accepted unless its value is off; certificates are not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/security/cloud-native-security/
# - ref: https://www.postgresql.org/docs/current/ssl-tcp.html
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/security/encryption/
# - ref: https://etcd.io/docs/latest/op-guide/security/
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod], classes: [durable, cache]}
#   parameters:
#     tls_arguments:
#       type: list
#       of: string
#       default:
#       - "*ssl=on*"
#       - "*ssl=true*"
#       - "*ssl[-_]cert*"
#       - "*require[-_]secure[-_]transport*"
#       - "*tls-port*"
#       - "*tls-cert-file*"
#       - "*--tls*"
#       - "*--cert-file*"
#       - "*--certs-dir*"
#       description: Arguments (globs, in lower case) that turn TLS on.
#     tls_variables:
#       type: list
#       of: string
#       default: ["*enable_tls", "*tls_enabled", "*ssl_enabled", "*ssl.enabled", "*enable_ssl", "*tls_cert*", "*ssl_cert*", "*ssl_keystore*", "*cert_file"]
#       description: Environment variables (globs, in lower case) that turn TLS on unless they are false, no, off or empty.
#   fix: "Turn TLS on; if a configuration file or a mesh does it, annotate stategate.io/tls: native or mesh."
#   why: most data stores use plain text unless TLS is turned on explicitly
package stategate.encryption.encryption_in_transit_workload

import data.stategate.lib.globs

annotation := "stategate.io/tls"

violation contains v if {
	engine := input.workload.engine
	not declared
	not speaks_tls
	v := {
		"msg": sprintf(
			"nothing says that connections to %s %s are encrypted: passwords and data may go over the network in the clear",
			[engine.name, input.workload.name],
		),
		"path": engine.path,
		"fix": sprintf("Turn TLS on in %s; if a file or a mesh does, annotate %s: native or mesh", [engine.name, annotation]),
	}
}

declared if input.workload.annotations[annotation] in {"native", "mesh"}

speaks_tls if {
	some container in stores
	some words in [container.command, container.args]
	some i, word in words
	globs.matches_any(input.parameters.tls_arguments, lower(word))
	every value in values(words, i) {
		not lower(value) in off
	}
}

speaks_tls if {
	some container in stores
	some variable in container.env
	globs.matches_any(input.parameters.tls_variables, lower(variable.name))
	value := lower(object.get(variable, "value", "from elsewhere"))
	not value in off
}

off := {"", "0", "false", "no", "off", "disabled"}

# --tlsMode=disabled, --tlsMode disabled
values(words, i) := array.concat(array.slice(split(words[i], "="), 1, 9), array.slice(words, i + 1, i + 2))

stores contains container if {
	some container in input.workload.containers
	container.engine != ""
}
