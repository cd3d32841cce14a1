# METADATA
# title: Credentials come from Secrets
# description: What an object has in clear text is in etcd, in git and in every backup of both.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Use valueFrom.secretKeyRef.
package stategate.encryption.raw_no_secret_in_env

import data.stategate.lib.objects

violation contains v if {
	some container in objects.containers
	some variable in container.env
	regex.match(`(?i)(password|passwd|secret|token|api_?key)$`, variable.name)
	variable.value != ""
	v := {"msg": sprintf("container <%v> has the credential %v in clear text", [container.name, variable.name])}
}
