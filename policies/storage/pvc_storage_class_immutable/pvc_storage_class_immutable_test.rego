package stategate.storage.pvc_storage_class_immutable_test

import data.stategate.storage.pvc_storage_class_immutable as policy

claim(name, origin, class) := {
	"name": name,
	"origin": origin,
	"storage_class": class,
	"class_named": true,
	"spec_path": ["spec"],
}

unnamed(origin) := object.union(claim("data", origin, ""), {"class_named": false})

request(old, new) := {
	"workload": {"name": "pg", "namespace": "shop", "claims": new},
	"old_workload": {"name": "pg", "namespace": "shop", "claims": old},
}

found(document) := violations if violations := policy.violation with input as document

test_same_class_passes if found(request([claim("data", "object", "fast")], [claim("data", "object", "fast")])) == set()

test_other_class_fails if {
	some v in found(request([claim("data", "object", "gp2")], [claim("data", "object", "fast")]))
	contains(v.msg, "claim data changes its class from gp2 to fast")
	v.path == ["spec", "storageClassName"]
	contains(v.fix, "make a new claim of class fast")
}

test_template_is_told_how_to_replace_the_stateful_set if {
	some v in found(request(
		[claim("wal", "template", "gp2"), claim("data", "template", "gp2")],
		[claim("data", "template", "fast"), claim("wal", "template", "gp2")],
	))
	contains(v.msg, "claim data changes")
	contains(v.fix, "kubectl delete statefulset pg -n shop --cascade=orphan")
}

test_default_filled_in_passes if found(request([unnamed("object")], [claim("data", "object", "fast")])) == set()

test_explicitly_none_stays_none if {
	some v in found(request([claim("data", "object", "")], [claim("data", "object", "fast")]))
	contains(v.msg, "from none to fast")
}

test_template_without_class_gets_none if {
	count(found(request([unnamed("template")], [claim("data", "template", "fast")]))) == 1
}

test_class_is_not_dropped if {
	some v in found(request([claim("data", "object", "fast")], [unnamed("object")]))
	contains(v.msg, "from fast to none")
}

test_claims_of_others_and_scratch_claims_are_not_compared if {
	every origin in ["reference", "ephemeral"] {
		found(request([claim("data", origin, "gp2")], [claim("data", origin, "fast")])) == set()
	}
}

test_new_claim_is_not_compared if found(request([claim("data", "template", "gp2")], [claim("wal", "template", "fast")])) == set()

test_no_class_is_no_class_called_none if {
	some v in found(request([claim("data", "object", "fast")], [unnamed("object")]))
	contains(v.msg, "from fast to none")
	contains(v.fix, "Keep storageClassName fast; make a new claim without a class and copy")
	some w in found(request([claim("data", "object", "")], [claim("data", "object", "fast")]))
	startswith(w.fix, `Keep storageClassName ""; make a new claim of class fast`)
}
