# METADATA
# title: No credentials on command lines
# description: >-
#   A credential in command or args is as public as the manifest; it also shows in the process list of the node and
#   in every `kubectl describe`. This policy looks for the flags in secret_flags with a value, joined by = or as the
#   next word, also in scripts of `sh -c`, for URLs with a password, and for password=. A value with a $ comes from a
#   variable and passes, and so do files, placeholders such as <password>, true and false. The value is never shown.
#   Short flags such as -p have several meanings and are not checked, nor are probes, hooks and configuration files
#   in ConfigMaps. secret-no-literal-env covers variables.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]
#     classes: [durable, cache, batch]
#   sensitive: true
#   parameters:
#     secret_flags:
#       type: list
#       of: string
#       default: [requirepass, masterauth, password, passwd, root-password, admin-password, secret-key, api-key, token]
#       description: Long flags, without dashes, whose value is a credential.
#   fix: Keep the credential in a Secret, pass it to the container as a variable, and write $(VARIABLE) instead.
#   why: arguments show in the node's process list and in every kubectl describe
package stategate.encryption.secret_no_literal_args

import data.stategate.lib.credentials

violation contains v if {
	some container in input.workload.containers
	some field in ["command", "args"]
	some i, _ in container[field]
	tells(container[field], i)
	v := {
		"msg": sprintf("%s[%d] of container %s holds a credential in plain text", [field, i, container.name]),
		"path": array.concat(container.path, [field, i]),
		"fix": "Put it into a Secret, give it to the container as a variable, and write $(VARIABLE) in its place; then change it",
	}
}

tells(texts, i) if credentials.embedded(texts[i])

# --password=hunter2
tells(texts, i) if {
	some word in words(texts[i])
	contains(word, "=")
	secret_flag(split(word, "=")[0])
	credentials.own(substring(word, indexof(word, "=") + 1, -1))
}

# --password hunter2; the value may be the next item of the list.
tells(texts, i) if {
	here := words(texts[i])
	some j, word in here
	secret_flag(word)
	following := array.concat(here, array.slice(texts, i + 1, i + 2))
	credentials.own(following[j + 1])
}

words(text) := [trim(word, `"'`) | some word in split(replace(replace(text, "\n", " "), "\t", " "), " ")]

secret_flag(word) if {
	startswith(word, "--")
	replace(trim_left(lower(word), "-"), "_", "-") in input.parameters.secret_flags
}
