# METADATA
# title: Replicas are spread over zones
# description: A zone takes all replicas along.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Add topologySpreadConstraints by topology.kubernetes.io/zone.
package stategate.scheduling.raw_topology_spread

import data.stategate.lib.objects

zones := {"topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"}

spread if {
	some constraint in objects.pod.topologySpreadConstraints
	constraint.topologyKey in zones
}

violation contains v if {
	input.review.object.spec.replicas > 2
	some container in objects.running
	objects.is_store(container)
	not spread
	v := {"msg": sprintf("the replicas of <%v> may all be in one zone", [container.name])}
}
