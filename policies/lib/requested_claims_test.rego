package stategate.lib.requested_claims_test

import data.stategate.lib.requested_claims

request(origin, username) := {
	"review": {"userInfo": {"username": username}},
	"workload": {"claims": [{"name": "data", "origin": origin}]},
}

names(document) := {claim.name | some claim in asked} if {
	asked := requested_claims.requested with input as document
}

test_templates_and_claims_are_requested if {
	names(request("template", "alice")) == {"data"}
	names(request("object", "alice")) == {"data"}
}

test_claim_without_a_user_is_requested if {
	names({"workload": {"claims": [{"name": "data", "origin": "object"}]}}) == {"data"}
}

test_claim_of_a_template_is_not if {
	names(request("object", "system:serviceaccount:kube-system:statefulset-controller")) == set()
	names(request("object", "system:kube-controller-manager")) == set()
}

# Any user who changes the StatefulSet is checked, the controller included.
test_template_is_requested_by_whom_ever if {
	names(request("template", "system:kube-controller-manager")) == {"data"}
}

test_others_are_not if {
	names(request("reference", "alice")) == set()
	names(request("ephemeral", "alice")) == set()
}
