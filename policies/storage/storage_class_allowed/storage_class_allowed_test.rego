package stategate.storage.storage_class_allowed_test

import data.stategate.storage.storage_class_allowed as policy

defaults := {"allowed": {}, "denied": ["*-ephemeral"], "scratch_claims": ["*tmp*"], "default_tier": "prod"}

claim(name, origin, class) := {"name": name, "origin": origin, "storage_class": class, "spec_path": ["spec"]}

request(claims, parameters) := {
	"workload": {"kind": "StatefulSet", "claims": claims},
	"parameters": object.union(defaults, parameters),
}

in_tier(tier, document) := object.union(document, {"workload": {"tier": tier}})

found(document) := violations if violations := policy.violation with input as document

offers := {"allowed": {"prod": ["fast-*", "bulk"], "*": ["standard", "fast-*"]}}

test_any_class_passes_unless_told if found(request([claim("data", "template", "whatever")], {})) == set()

test_scratch_class_fails if {
	some v in found(request([claim("data", "template", "gp3-ephemeral")], {}))
	v.msg == "claim data uses class gp3-ephemeral, which is scratch space by its name"
	v.path == ["spec", "storageClassName"]
}

test_scratch_claim_may_use_it if found(request([claim("tmp-sort", "template", "gp3-ephemeral")], {})) == set()

test_allowed_class_passes if found(request([claim("data", "template", "fast-encrypted")], offers)) == set()

test_class_that_is_not_offered_fails if {
	some v in found(request([claim("data", "object", "gp2")], offers))
	v.msg == "claim data uses class gp2, which is not allowed in tier prod"
	v.fix == "Set storageClassName to one of: fast-*, bulk"
}

test_tier_of_the_namespace_decides if {
	document := request([claim("data", "object", "standard")], offers)
	count(found(in_tier("prod", document))) == 1
	found(in_tier("dev", document)) == set()
}

test_tier_without_a_list_may_use_any_class if {
	document := request([claim("data", "object", "gp2")], {"allowed": {"prod": ["fast"]}})
	found(in_tier("dev", document)) == set()
}

test_default_tier_is_a_parameter if {
	found(request([claim("data", "object", "standard")], object.union(offers, {"default_tier": "dev"}))) == set()
}

test_class_that_is_not_offered_is_one_fault if {
	count(found(request([claim("data", "object", "gp3-ephemeral")], offers))) == 1
}

test_offered_class_may_still_be_denied if {
	count(found(request([claim("data", "object", "fast-ephemeral")], offers))) == 1
}

test_no_class_is_the_fault_of_another_policy if found(request([claim("data", "object", "")], offers)) == set()

test_claims_of_others_and_scratch_claims_are_not_judged if {
	found(request([claim("a", "reference", "gp2"), claim("b", "ephemeral", "gp2")], offers)) == set()
}
