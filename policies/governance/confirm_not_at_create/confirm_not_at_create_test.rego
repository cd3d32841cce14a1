package stategate.governance.confirm_not_at_create_test

import data.stategate.governance.confirm_not_at_create as policy

request(annotations) := {"workload": {"kind": "StatefulSet", "name": "pg", "annotations": annotations}}

found(annotations) := violations if violations := policy.violation with input as request(annotations)

test_other_annotations_pass if {
	found({}) == set()
	found({"stategate.io/rpo": "15m", "example.com/confirm-scale": "3->0"}) == set()
}

test_confirmation_fails if {
	some v in found({"stategate.io/confirm-scale": "3->0"})
	v.msg == concat(" ", [
		"StatefulSet pg comes with stategate.io/confirm-scale:",
		"a confirmation from before the object exists confirms nothing",
	])
	v.path == ["metadata", "annotations", "stategate.io/confirm-scale"]
	v.fix == "Remove the annotation stategate.io/confirm-scale; give it right before the step it is for"
}

test_every_confirmation_is_found if {
	count(found({"stategate.io/confirm-delete": "pg", "stategate.io/confirm-until": "2030-01-01T00:00:00Z"})) == 2
}

patched(annotations) := patches if patches := policy.patch with input as request(annotations)

test_confirmations_are_removed_from_files if {
	patched({"stategate.io/rpo": "15m", "stategate.io/confirm-scale": "3->0"}) == {{
		"op": "remove",
		"path": ["metadata", "annotations", "stategate.io/confirm-scale"],
	}}
	patched({}) == set()
}
