package stategate.storage.storage_class_exists_test

import data.stategate.storage.storage_class_exists as policy

claim(origin, class) := {"name": "data", "origin": origin, "storage_class": class, "spec_path": ["spec"]}

request(claims) := {
	"workload": {"kind": "StatefulSet", "name": "pg", "claims": claims},
	"related": {"storage_class_names": ["bulk", "fast"]},
	"parameters": {"classes_without_object": ["manual", "static-*"]},
}

updated(origin) := object.union(
	request([claim(origin, "fsat")]),
	{"review": {"operation": "UPDATE"}, "workload": {"namespace": "shop"}},
)

found(document) := violations if violations := policy.violation with input as document

test_class_that_exists_passes if found(request([claim("template", "fast")])) == set()

test_class_that_does_not_exist_fails if {
	every origin in ["object", "template", "ephemeral"] {
		some v in found(request([claim(origin, "fsat")]))
		contains(v.msg, "claim data names the class fsat, which the cluster does not have")
		v.path == ["spec", "storageClassName"]
		v.fix == "Set storageClassName to one of: bulk, fast"
	}
}

test_what_exists_cannot_be_given_another_class if {
	some v in found(updated("template"))
	contains(v.fix, "kubectl delete statefulset pg -n shop --cascade=orphan, then apply it with a class that there is: bulk, fast")
	some w in found(updated("object"))
	contains(w.fix, "shows Pending, delete it")
}

test_default_class_and_none_are_not_judged if found(request([claim("template", "")])) == set()

test_claims_of_others_are_not_judged if found(request([claim("reference", "fsat")])) == set()

test_claim_with_a_volume_passes if {
	found(request([object.union(claim("object", "gone"), {"volume_name": "pv-1"})])) == set()
}

test_names_without_object_pass if {
	found(request([claim("object", "manual"), claim("object", "static-nfs")])) == set()
}

# The classes that the request names are known, but not all classes of the cluster.
test_no_list_of_names_says_nothing if {
	found({"workload": request([claim("object", "fsat")]).workload, "related": {}, "parameters": {"classes_without_object": []}}) == set()
}

test_a_cluster_without_classes_needs_one if {
	document := object.union(request([claim("object", "fsat")]), {"related": {"storage_class_names": []}})
	some v in found(document)
	v.fix == "Create the class first: the cluster has none"
}
