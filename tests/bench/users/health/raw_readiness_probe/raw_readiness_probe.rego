# METADATA
# title: Containers have a readiness probe
# description: A Service sends requests to a pod that is not ready if nothing says that it is not.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Add readinessProbe to the container.
package stategate.health.raw_readiness_probe

import data.stategate.lib.objects

violation contains v if {
	objects.is_long_running
	some container in objects.running
	not container.readinessProbe
	v := {"msg": sprintf("container <%v> of <%v> has no readinessProbe", [container.name, input.review.object.metadata.name])}
}
