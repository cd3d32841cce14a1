# What is known of the claims that a workload only names. Whoever asks needs PersistentVolumeClaim in its inventory.
package stategate.lib.known_claims

# The claim with its access modes; of a claim that is only named, the PersistentVolumeClaim, if it is known.
resolved(claim) := claim if claim.origin == "template"

resolved(claim) := pvc if {
	claim.origin == "reference"
	some pvc in input.related.pvcs
	pvc.name == claim.name
}
