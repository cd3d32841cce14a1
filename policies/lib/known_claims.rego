# What is known about the claims that a workload only references. Policies that import this need PersistentVolumeClaim
# in their inventory.
package stategate.lib.known_claims

# The claim with its access modes; for a claim that is only referenced, the PersistentVolumeClaim, if it is known.
resolved(claim) := claim if claim.origin == "template"

resolved(claim) := pvc if {
	claim.origin == "reference"
	some pvc in input.related.pvcs
	pvc.name == claim.name
}
