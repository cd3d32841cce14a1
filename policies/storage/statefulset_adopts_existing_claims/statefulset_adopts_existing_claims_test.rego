package stategate.storage.statefulset_adopts_existing_claims_test

import data.stategate.storage.statefulset_adopts_existing_claims as policy

gi := 1073741824

pvc(overrides) := object.union(
	{
		"name": "data-pg-0",
		"template": "data",
		"ordinal": 0,
		"phase": "Bound",
		"labels": {"app": "pg"},
		"storage_class": "fast",
		"size": 50 * gi,
		"size_text": "50Gi",
	},
	overrides,
)

request(annotations, pvcs) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"annotations": annotations,
		"pods": {"selector": {"matchLabels": {"app": "pg"}}},
		"claims": [
			{"name": "shared", "origin": "reference"},
			{"name": "data", "origin": "template", "storage_class": "fast", "size": 50 * gi, "path": ["template"]},
		],
	},
	"related": {"pvcs": pvcs},
}

found(document) := violations if violations := policy.violation with input as document

test_no_claims_pass if found(request({}, [])) == set()

test_own_claims_pass if found(request({}, [pvc({}), pvc({"size": 80 * gi})])) == set()

test_claims_of_something_else_fail if {
	some v in found(request({}, [pvc({"labels": {"app": "shop"}})]))
	v.msg == "claim data-pg-0 is there already and is taken up with its old data: its labels are those of something else"
	v.path == ["template"]
	contains(v.fix, "stategate.io/adopt-claims")
}

test_other_class_and_smaller_size_fail if {
	some v in found(request({}, [pvc({"storage_class": "gp2", "size": 10 * gi, "size_text": "10Gi"})]))
	contains(v.msg, "old data: its class is gp2, its size is 10Gi")
}

test_each_claim_is_told if {
	count(found(request({}, [pvc({"labels": {"app": "shop"}}), pvc({"name": "data-pg-1", "labels": {"app": "shop"}})]))) == 2
}

test_meant_claims_pass if {
	found(request({"stategate.io/adopt-claims": "true"}, [pvc({"labels": {"app": "shop"}})])) == set()
	count(found(request({"stategate.io/adopt-claims": "false"}, [pvc({"labels": {"app": "shop"}})]))) == 1
}

test_named_claims_are_not_judged if {
	found(request({}, [object.remove(pvc({"name": "shared", "labels": {"app": "shop"}}), ["template"])])) == set()
}

test_what_is_not_known_is_not_judged if found(object.remove(request({}, []), ["related"])) == set()

# A volume made by hand may be larger than its claim asks for.
test_volume_that_is_large_enough_passes if {
	found(request({}, [pvc({"size": 10 * gi, "size_text": "10Gi", "capacity": 100 * gi})])) == set()
}

# A manifest of the same run, or a claim that waits for its volume.
test_claims_without_data_pass if {
	foreign := pvc({"labels": {"app": "shop"}})
	found(request({}, [object.remove(foreign, ["phase"]), object.union(foreign, {"phase": "Pending"})])) == set()
}
