package stategate.capacity.storage_tier_cost_test

import data.stategate.capacity.storage_tier_cost as policy

request(tier, origin, class, premium) := {
	"workload": {
		"tier": tier,
		"claims": [{"name": "data", "origin": origin, "storage_class": class, "spec_path": ["spec"]}],
	},
	"parameters": {"premium_classes": premium},
}

found(document) := violations if violations := policy.violation with input as document

test_premium_in_dev_fails if {
	some v in found(request("dev", "template", "io2-fast", ["io2-*"]))
	v.msg == "claim data takes premium storage (io2-fast) for development"
	v.path == ["spec", "storageClassName"]
	count(found(request("dev", "object", "io2-fast", ["io2-*"]))) == 1
}

test_ordinary_storage_passes if found(request("dev", "template", "gp3", ["io2-*"])) == set()

test_production_passes if {
	found(request("prod", "template", "io2-fast", ["io2-*"])) == set()
	found(json.remove(request("x", "template", "io2-fast", ["io2-*"]), ["workload/tier"])) == set()
}

test_claims_of_others_pass if found(request("dev", "reference", "io2-fast", ["io2-*"])) == set()

test_no_class_is_premium if found(request("dev", "template", "io2-fast", [])) == set()
