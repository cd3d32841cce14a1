# METADATA
# title: Replicas are kept apart
# description: One node takes all replicas along.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Add podAntiAffinity by kubernetes.io/hostname.
package stategate.scheduling.raw_anti_affinity

import data.stategate.lib.objects

keeps_apart if {
	some term in objects.pod.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution
	term.topologyKey == "kubernetes.io/hostname"
}

keeps_apart if {
	some preference in objects.pod.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution
	preference.podAffinityTerm.topologyKey == "kubernetes.io/hostname"
}

violation contains v if {
	input.review.object.spec.replicas > 1
	some container in objects.running
	objects.is_store(container)
	not keeps_apart
	v := {"msg": sprintf("the %v replicas of <%v> may share a node", [input.review.object.spec.replicas, container.name])}
}
