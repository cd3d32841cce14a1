package stategate.storage.pvc_expansion_supported_test

import data.stategate.storage.pvc_expansion_supported as policy

claim(size) := {
	"name": "data-pg-0",
	"origin": "object",
	"size": size,
	"size_text": sprintf("%d", [size]),
	"spec_path": ["spec"],
}

request(old, new, expands) := {
	"workload": {"claims": [claim(new)]},
	"old_workload": {"claims": [claim(old)]},
	"related": {"claim_classes": {"data-pg-0": {"name": "gp2", "allow_volume_expansion": expands}}},
}

found(document) := violations if violations := policy.violation with input as document

test_class_that_expands_passes if found(request(10, 20, true)) == set()

test_class_that_does_not_expand_fails if {
	some v in found(request(10, 20, false))
	v.msg == "claim data-pg-0 grows from 10 to 20, but its class gp2 does not let volumes grow"
	v.path == ["spec", "resources", "requests", "storage"]
	contains(v.fix, "kubectl patch storageclass gp2")
}

test_same_size_passes if found(request(10, 10, false)) == set()

test_shrinking_is_the_fault_of_another_policy if found(request(20, 10, false)) == set()

test_class_that_is_not_known_says_nothing if {
	document := request(10, 20, false)
	found(object.remove(document, ["related"])) == set()
}
