# METADATA
# title: Storage never shrinks
# description: >-
#   Kubernetes cannot make a volume smaller. The API server refuses it with a message that does not say what to do
#   instead, and a tool that works around it by deleting the claim deletes the data.
#   One case is allowed, as the API server does: taking back a claim's expansion that has not happened, down to
#   anything above the capacity that it has. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#recovering-from-failure-when-expanding-volumes
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: Keep the size; to use less, make a new claim of the smaller size and copy the data.
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

# The request grew, the volume did not: it may go back to anything above what it has.
takes_back_an_expansion(old, claim) if {
	claim.origin == "object"
	old.capacity < claim.size
}

successor := "StatefulSet with smaller claim templates" if {
	input.workload.kind == "StatefulSet"
} else := "claim of the smaller size"
