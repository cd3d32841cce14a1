# METADATA
# title: Containers have a liveness probe
# description: A process that hangs is restarted only if something notices it.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Add livenessProbe to the container.
package stategate.health.raw_liveness_probe

import data.stategate.lib.objects

probes := {"httpGet", "tcpSocket", "exec", "grpc"}

has_probe(container) if {
	some probe in probes
	container.livenessProbe[probe]
}

violation contains v if {
	objects.is_long_running
	some container in objects.running
	not has_probe(container)
	v := {"msg": sprintf("container <%v> of <%v> has no livenessProbe", [container.name, input.review.object.metadata.name])}
}
