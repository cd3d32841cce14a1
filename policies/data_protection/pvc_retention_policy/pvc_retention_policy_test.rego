package stategate.data_protection.pvc_retention_policy_test

import data.stategate.data_protection.pvc_retention_policy as policy

view(deleted, scaled) := {"name": "pg", "retention": {"when_deleted": deleted, "when_scaled": scaled}}

request(workload) := {"workload": workload, "parameters": {"allow_when_scaled_delete": false}}

found(document) := violations if violations := policy.violation with input as document

test_retain_passes if found(request(view("Retain", "Retain"))) == set()

test_delete_fails if {
	some v in found(request(view("Delete", "Retain")))
	v.msg == "whenDeleted: Delete lets go of the claims of pg when it is deleted: their disks are erased unless they are retained"
	v.path == ["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"]
	v.fix == "Set persistentVolumeClaimRetentionPolicy.whenDeleted to Retain, or leave it out"
	some w in found(request(view("Retain", "Delete")))
	contains(w.msg, "claims of pg when it is scaled down")
}

test_both_are_found if count(found(request(view("Delete", "Delete")))) == 2

test_scaling_may_be_allowed if {
	lenient := {"parameters": {"allow_when_scaled_delete": true}}
	found(object.union(request(view("Retain", "Delete")), lenient)) == set()
	count(found(object.union(request(view("Delete", "Delete")), lenient))) == 1
}

test_flip_is_another_policy_s_matter if {
	found(object.union(request(view("Delete", "Delete")), {"old_workload": view("Retain", "Retain")})) == set()
}

test_what_was_so_before_is_found if {
	count(found(object.union(request(view("Delete", "Retain")), {"old_workload": view("Delete", "Retain")}))) == 1
}

patched(document) := patches if patches := policy.patch with input as document

test_delete_is_turned_into_retain_in_files if {
	path := ["spec", "persistentVolumeClaimRetentionPolicy"]
	patched(request(view("Delete", "Delete"))) == {
		{"op": "replace", "path": array.concat(path, ["whenDeleted"]), "value": "Retain"},
		{"op": "replace", "path": array.concat(path, ["whenScaled"]), "value": "Retain"},
	}
	patched(request(view("Retain", "Retain"))) == set()
	lenient := {"parameters": {"allow_when_scaled_delete": true}}
	patched(object.union(request(view("Retain", "Delete")), lenient)) == set()
}
