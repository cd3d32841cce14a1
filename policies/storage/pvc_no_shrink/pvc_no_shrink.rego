# METADATA
# title: Storage never shrinks
# description: >-
#   Kubernetes cannot make a volume smaller. The API server refuses the change with a message that does not say what
#   to do instead, and a tool that works around it by deleting the claim deletes the data. One case passes, as it
#   does at the API server: reverting an expansion of a claim that has not happened, down to any size above the
#   claim's current capacity. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recovering-from-failure-when-expanding-volumes
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: Keep the size; to use less, create a new claim of the smaller size and copy the data.
#   why: the API server refuses it, and deleting the claim to work around that can erase the data
package stategate.storage.pvc_no_shrink

violation contains v if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	some old in input.old_workload.claims
	old.origin == claim.origin
	old.name == claim.name
	claim.size < old.size
	not takes_back_an_expansion(old, claim)
	v := {
		"msg": sprintf(
			"claim %s shrinks from %s to %s: Kubernetes cannot make a volume smaller",
			[claim.name, old.size_text, claim.size_text],
		),
		"path": array.concat(claim.spec_path, ["resources", "requests", "storage"]),
		"fix": sprintf("Keep %s; to use less, make a new %s and copy the data", [old.size_text, successor]),
	}
}

# The request grew but the volume did not: the request may go back to anything above the current capacity.
takes_back_an_expansion(old, claim) if {
	claim.origin == "object"
	old.capacity < claim.size
}

successor := "StatefulSet with smaller claim templates" if {
	input.workload.kind == "StatefulSet"
} else := "claim of the smaller size"
