# What is known about the claims that a workload only references. Policies that import this need PersistentVolumeClaim
# in their inventory.
package stategate.lib.known_claims

import data.stategate.lib.claims
import data.stategate.lib.members

# The claim with its access modes; for a claim that is only referenced, the PersistentVolumeClaim, if it is known.
resolved(claim) := claim if claim.origin == "template"

resolved(claim) := pvc if {
	claim.origin == "reference"
	some pvc in input.related.pvcs
	pvc.name == claim.name
}

# Claims that all pods share and write to, and that serve one node or one pod.
for_one_node contains pvc if {
	some claim in claims.written
	claim.origin == "reference"
	pvc := resolved(claim)
	count(pvc.access_modes) > 0
	every mode in pvc.access_modes {
		mode in {"ReadWriteOnce", "ReadWriteOncePod"}
	}
}

# One member alone would be what is left of a cluster.
one_store if members.votes

one_store if members.joined

# Several pods share such a claim: workload-rwo-rollout-deadlock tells them to be one.
too_many_pods if {
	input.workload.replicas > 1
	count(for_one_node) > 0
	not one_store
}
