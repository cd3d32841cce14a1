# METADATA
# title: A claim keeps its storage class
# description: >-
#   The class decides how a volume is created, once. Changing it moves no data: the API server refuses the change
#   with a message that does not say what to do instead, and a tool that works around it by deleting the claim
#   deletes the data. Files are compared with their previous version (`--old`), so the change is found before
#   anything is applied. A claim that named no class may get one, as the API server does for claims that wait for a
#   default class. A claim template without a class cannot get one: it is a part of the StatefulSet that does not
#   change.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#retroactive-default-storageclass-assignment
# - ref: https://kubernetes.io/docs/concepts/storage/volume-attributes-classes/
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Keep the class; to move, create a new claim of the other class and copy the data or restore a snapshot into it.
#   why: a class only shapes new volumes; deleting the claim to change it can erase the data
package stategate.storage.pvc_storage_class_immutable

import data.stategate.lib.statefulsets

violation contains v if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	some old in input.old_workload.claims
	old.origin == claim.origin
	old.name == claim.name
	claim.storage_class != old.storage_class
	not backfilled(old)
	v := {
		"msg": sprintf(
			"claim %s changes its class from %s to %s: that moves no data, and the API server refuses it",
			[claim.name, shown(old), shown(claim)],
		),
		"path": array.concat(claim.spec_path, ["storageClassName"]),
		"fix": fix(claim, old),
	}
}

# The claim waited for a default class; one with an explicit "" does not wait.
backfilled(old) if {
	old.origin == "object"
	old.storage_class == ""
	not old.class_named
}

shown(claim) := claim.storage_class if {
	claim.storage_class != ""
} else := "none"

# The word for no class is no name of a class.
told(claim) := claim.storage_class if {
	claim.storage_class != ""
} else := `""`

of_class(claim) := sprintf("of class %s", [claim.storage_class]) if {
	claim.storage_class != ""
} else := "without a class"

fix(claim, old) := sprintf(
	"Keep storageClassName %s; make a new claim %s and copy the data while the store is stopped, or restore a snapshot of the same driver",
	[told(old), of_class(claim)],
) if {
	claim.origin == "object"
} else := sprintf(
	"Keep it; for new replicas only: %s, then apply (old claims keep theirs)",
	[statefulsets.orphan],
)
