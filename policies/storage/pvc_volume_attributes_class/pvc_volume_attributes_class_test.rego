package stategate.storage.pvc_volume_attributes_class_test

import data.stategate.storage.pvc_volume_attributes_class as policy

request(name, driver) := {
	"workload": {"kind": "PersistentVolumeClaim", "claims": [{
		"name": "data",
		"origin": "object",
		"volume_attributes_class": name,
		"spec_path": ["spec"],
	}]},
	"related": {
		"volume_attributes_classes": {"gold": {"name": "gold", "driver": driver, "parameters": {}}},
		"claim_classes": {"data": {"name": "fast", "provisioner": "ebs.csi.aws.com"}},
	},
	"parameters": {"allowed": {}, "default_tier": "prod"},
}

found(document) := violations if violations := policy.violation with input as document

test_class_of_the_driver_passes if found(request("gold", "ebs.csi.aws.com")) == set()

test_class_that_does_not_exist_fails if {
	some v in found(request("glod", "ebs.csi.aws.com"))
	contains(v.msg, "names the VolumeAttributesClass glod, which the cluster does not have: a new claim stays pending")
	v.path == ["spec", "volumeAttributesClassName"]
}

test_claim_that_exists_keeps_its_attributes if {
	some v in found(object.union(request("glod", "ebs.csi.aws.com"), {"review": {"operation": "UPDATE"}}))
	contains(v.msg, "it keeps the attributes that it has")
}

test_class_of_another_driver_fails if {
	some v in found(request("gold", "pd.csi.storage.gke.io"))
	contains(v.msg, "gold is for pd.csi.storage.gke.io, but claim data is of ebs.csi.aws.com")
}

only_silver := {"parameters": {"allowed": {"dev": ["silver*"]}}}

test_class_must_be_allowed_in_the_tier if {
	document := object.union(request("gold", "ebs.csi.aws.com"), only_silver)
	found(document) == set()
	some v in found(object.union(document, {"workload": {"tier": "dev"}}))
	contains(v.msg, "which is not allowed in tier dev")
	v.fix == "Set volumeAttributesClassName to one of: silver*"
}

test_what_is_not_known_is_not_judged if {
	found(object.remove(request("glod", "ebs.csi.aws.com"), ["related"])) == set()
}

test_no_class_passes if found(request("", "ebs.csi.aws.com")) == set()
