package stategate.storage.storageclass_single_default_test

import data.stategate.storage.storageclass_single_default as policy

request(is_default, classes) := {
	"workload": {"kind": "StorageClass", "name": "fast", "storage_class": {"is_default": is_default}},
	"related": {"storage_classes": classes},
}

found(document) := violations if violations := policy.violation with input as document

gp2 := {"gp2": {"name": "gp2", "is_default": true}}

test_only_default_passes if found(request(true, {"gp2": {"name": "gp2", "is_default": false}})) == set()

test_second_default_fails if {
	some v in found(request(true, object.union(gp2, {"longhorn": {"name": "longhorn", "is_default": true}})))
	contains(v.msg, "StorageClass fast is a default beside gp2, longhorn")
	contains(v.fix, "kubectl annotate storageclass gp2 longhorn storageclass.kubernetes.io/is-default-class=false")
	v.path == ["metadata", "annotations", "storageclass.kubernetes.io/is-default-class"]
}

test_class_itself_is_no_other if found(request(true, {"fast": {"name": "fast", "is_default": true}})) == set()

test_other_classes_may_be_default if found(request(false, gp2)) == set()
