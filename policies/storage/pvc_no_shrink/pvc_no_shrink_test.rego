package stategate.storage.pvc_no_shrink_test

import data.stategate.storage.pvc_no_shrink as policy

gi := 1073741824

claim(name, origin, size) := {
	"name": name,
	"origin": origin,
	"size": size * gi,
	"size_text": sprintf("%dGi", [size]),
	"spec_path": ["spec"],
}

request(kind, old, new) := {
	"workload": {"kind": kind, "claims": new},
	"old_workload": {"kind": kind, "claims": old},
}

found(document) := violations if violations := policy.violation with input as document

test_growing_passes if {
	found(request("PersistentVolumeClaim", [claim("data", "object", 10)], [claim("data", "object", 20)])) == set()
}

test_same_size_passes if {
	found(request("PersistentVolumeClaim", [claim("data", "object", 10)], [claim("data", "object", 10)])) == set()
}

test_shrinking_fails if {
	some v in found(request("PersistentVolumeClaim", [claim("data", "object", 20)], [claim("data", "object", 10)]))
	v.msg == "claim data shrinks from 20Gi to 10Gi: Kubernetes cannot make a volume smaller"
	v.path == ["spec", "resources", "requests", "storage"]
	contains(v.fix, "make a new claim of the smaller size")
}

expanding(capacity) := object.union(claim("data", "object", 100), {"capacity": capacity * gi})

test_failed_expansion_may_be_taken_back if {
	found(request("PersistentVolumeClaim", [expanding(10)], [claim("data", "object", 20)])) == set()
}

# The API server refuses this, too: the request must stay above the capacity.
test_expansion_is_not_taken_back_to_the_capacity_itself if {
	count(found(request("PersistentVolumeClaim", [expanding(10)], [claim("data", "object", 10)]))) == 1
}

test_expansion_that_happened_is_not_taken_back if {
	count(found(request("PersistentVolumeClaim", [expanding(100)], [claim("data", "object", 20)]))) == 1
}

test_template_fails_whatever_its_capacity if {
	some v in found(request(
		"StatefulSet",
		[claim("data", "template", 20), claim("wal", "template", 5)],
		[claim("wal", "template", 5), claim("data", "template", 10)],
	))
	contains(v.msg, "claim data shrinks")
	contains(v.fix, "new StatefulSet")
}

test_other_claims_are_not_compared if {
	found(request("StatefulSet", [claim("old", "template", 20)], [claim("new", "template", 10)])) == set()
}

test_scratch_claims_may_shrink if {
	found(request("StatefulSet", [claim("tmp", "ephemeral", 20)], [claim("tmp", "ephemeral", 10)])) == set()
}

test_claim_without_size_passes if {
	without_size := {"name": "data", "origin": "object", "spec_path": ["spec"]}
	found(request("PersistentVolumeClaim", [claim("data", "object", 20)], [without_size])) == set()
}
