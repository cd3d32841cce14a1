package stategate.encryption.encryption_claim_class_encrypted_test

import data.stategate.encryption.encryption_claim_class_encrypted as policy

defaults := {
	"extra_rules": {},
	"attested_provisioners": [],
	"account_default_encryption": false,
	"refuse_unknown": false,
	"exempt_classifications": [],
}

class(provisioner, parameters) := {
	"name": "fast",
	"provisioner": provisioner,
	"parameters": parameters,
	"annotations": {},
}

request(operation, origin, class_of_claim) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"labels": {"data-classification": "public"},
		"claims": [{"name": "data", "origin": origin, "spec_path": ["spec"]}],
	},
	"related": {"claim_classes": {"data": class_of_claim}},
	"parameters": defaults,
}

found(document) := violations if violations := policy.violation with input as document

encrypted := class("ebs.csi.aws.com", {"encrypted": "true"})

plain := class("ebs.csi.aws.com", {"type": "gp3"})

test_class_that_encrypts_passes if found(request("CREATE", "template", encrypted)) == set()

test_plain_class_fails if {
	every origin in ["object", "template", "ephemeral"] {
		some v in found(request("CREATE", origin, plain))
		v.msg == "claim data uses class fast (ebs.csi.aws.com), which does not encrypt its volumes at rest"
		v.path == ["spec", "storageClassName"]
		contains(v.fix, "Set storageClassName to a class that encrypts")
	}
}

test_unknown_driver_is_the_matter_of_its_class if {
	document := request("CREATE", "template", class("csi.san.example", {}))
	found(document) == set()
	some v in found(object.union(document, {"parameters": {"refuse_unknown": true}}))
	contains(v.msg, "of which nobody knows")
}

test_attested_class_passes if {
	annotated := {"annotations": {"stategate.io/encryption-attested": "drives encrypt themselves"}}
	found(request("CREATE", "template", object.union(plain, annotated))) == set()
}

test_parameters_are_those_of_the_policy_of_classes if {
	document := request("CREATE", "template", plain)
	found(object.union(document, {"parameters": {"account_default_encryption": true}})) == set()
}

test_template_that_exists_is_told_to_move_its_data if {
	some v in found(request("UPDATE", "template", plain))
	contains(v.fix, "Copy the data to claims of a class that encrypts")
}

test_claim_that_exists_is_left_alone if found(request("UPDATE", "object", plain)) == set()

test_claims_of_others_are_not_judged if found(request("CREATE", "reference", plain)) == set()

test_public_data_may_be_exempt if {
	document := request("CREATE", "template", plain)
	found(object.union(document, {"parameters": {"exempt_classifications": ["public"]}})) == set()
}

test_claim_without_class_says_nothing if {
	document := request("CREATE", "template", plain)
	found({"workload": document.workload, "related": {"claim_classes": {}}, "parameters": defaults}) == set()
}

test_a_class_of_the_same_run_is_told_at_the_class if {
	reviewed := object.union(plain, {"reviewed": true})
	found(request("CREATE", "template", reviewed)) == set()
	count(found(request("UPDATE", "object", reviewed))) <= 1
}
