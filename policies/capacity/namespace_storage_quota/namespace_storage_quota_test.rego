package stategate.capacity.namespace_storage_quota_test

import data.stategate.capacity.namespace_storage_quota as policy

request(origin, quotas) := {
	"review": {"object": {"metadata": {"namespace": "shop"}}},
	"workload": {"kind": "StatefulSet", "name": "pg", "namespace": "shop", "claims": [{"name": "data", "origin": origin}]},
	"related": {"quotas": quotas},
}

quota(hard) := {"name": "limits", "hard": hard, "used": {}}

found(document) := violations if violations := policy.violation with input as document

test_quota_for_storage_passes if {
	found(request("template", [quota({"requests.storage": 500})])) == set()
	found(request("object", [quota({"pods": 10}), quota({"persistentvolumeclaims": 20})])) == set()
	found(request("template", [quota({"gold.storageclass.storage.k8s.io/requests.storage": 500})])) == set()
}

test_no_quota_fails if {
	some v in found(request("template", []))
	v.msg == "no ResourceQuota of namespace shop limits storage: its claims may take all that there is"
	contains(v.fix, "--namespace=shop")
	count(found(request("object", []))) == 1
}

test_quota_for_other_things_fails if count(found(request("template", [quota({"requests.cpu": 10})]))) == 1

test_unknown_quotas_tell_nothing if found(object.remove(request("template", []), ["related"])) == set()

test_claims_that_exist_already_pass if found(request("reference", [])) == set()

test_a_namespace_that_is_chosen_later_tells_nothing if {
	found(json.remove(request("template", []), ["review/object/metadata/namespace"])) == set()
}

test_namespace_that_a_chart_is_rendered_for_passes if {
	document := object.union(request("template", []), {"workload": {"namespace": "default"}})
	found(object.union(document, {"review": {"uid": ""}})) == set()
	count(found(object.union(document, {"review": {"uid": "u1"}}))) == 1
}
