# METADATA
# title: No credentials on command lines
# description: >-
#   A credential in command or args is as public as the manifest; it also shows in the process list of the node and in
#   every `kubectl describe`. This policy looks for the flags in secret_flags with a value, joined by = or as the next
#   word, also in scripts of `sh -c`, for URLs with a password, and for password=. A value with a $ comes from a
#   variable and passes, and so do files (geth and its kin take one in --password), placeholders such as <password>,
#   true and false. The value is never shown. Short flags such as -p have several meanings and are not checked, nor are
#   probes and hooks. secret-no-literal-env covers variables and configuration files in ConfigMaps.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/secret/
# - ref: https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
# custom:
#   severity: high
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]
#     classes: [durable, cache, batch, backup]
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
	tells(container, container[field], i)
	v := {
		"msg": sprintf("%s[%d] of container %s holds a credential in plain text", [field, i, container.name]),
		"path": array.concat(container.path, [field, i]),
		"fix": concat("", [
			"Put it as it is into a Secret, give it to the container as a variable, and write $(VARIABLE) in its place; ",
			"it has been seen, so change it later: first in what issues or checks it, then in the Secret; a key that encrypts data never alone",
		]),
	}
}

tells(container, texts, i) if credentials.embedded(without_file(container, texts[i]))

# A script may have a hundred thousand words: what is not a flag is not looked at.
tells(container, texts, i) if {
	text := lower(replace(replace(texts[i], "\n", " "), "\t", " "))
	some flag in spellings
	contains(text, flag)
	parts := split(text, flag)
	some j, after in parts
	j > 0
	begins_a_word(parts, j)
	given := value(after, texts, i)
	credentials.own(given)
	not names_a_file(container, flag, given)
}

spellings contains spelling if {
	some flag in input.parameters.secret_flags
	some name in [flag, replace(flag, "-", "_")]
	spelling := concat("", ["--", name])
}

# The nodes of Ethereum read their password from a file.
names_a_file(container, "--password", word) if {
	of_ethereum(container)
	file(trim(word, `"'`))
}

of_ethereum(container) if regex.match(`(^|/)(geth|client-go|op-geth|bor|bsc|quorum)$`, container.image.repository)

file(word) if contains(word, "/")

file(word) if regex.match(`(?i)^[a-z0-9_-]*(pw|pwd|pass|passwd|passwords?|secrets?)$|\.[a-z]+$`, word)

# The flag is looked at by itself.
without_file(container, text) := replace(text, "--password=", "--password ") if {
	of_ethereum(container)
} else := text

begins_a_word(parts, 1) if trim_right(parts[0], "-") == ""

begins_a_word(parts, j) if {
	before := trim_right(parts[j - 1], "-")
	some end in [" ", `"`, "'"]
	endswith(before, end)
}

# --password=hunter2
value(after, _, _) := split(substring(after, 1, -1), " ")[0] if startswith(after, "=")

# --password hunter2
value(after, _, _) := split(trim_left(after, ` "'`), " ")[0] if {
	startswith(trim_left(after, `"'`), " ")
	trim(after, ` "'`) != ""
}

# The value is the next item of the list.
value(after, texts, i) := texts[i + 1] if trim(after, ` "'`) == ""
