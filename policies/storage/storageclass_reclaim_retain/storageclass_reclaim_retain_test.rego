package stategate.storage.storageclass_reclaim_retain_test

import data.stategate.storage.storageclass_reclaim_retain as policy

parameters := {"scratch_classes": ["*scratch*"], "judge_claims": true, "exempt_tiers": ["dev"]}

record(name, reclaim) := {"name": name, "provisioner": "ebs.csi.aws.com", "reclaim_policy": reclaim}

class(operation, name, reclaim) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StorageClass",
		"name": name,
		"claims": [],
		"storage_class": {"provisioner": "ebs.csi.aws.com", "reclaim_policy": reclaim},
	},
	"parameters": parameters,
}

claims(operation, origin, record_of_class) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"claims": [{"name": "data", "origin": origin, "spec_path": ["spec"]}],
	},
	"related": {"claim_classes": {"data": record_of_class}},
	"parameters": parameters,
}

found(document) := violations if violations := policy.violation with input as document

test_class_that_retains_passes if found(class("CREATE", "fast", "Retain")) == set()

test_class_that_deletes_fails if {
	some v in found(class("CREATE", "fast", "Delete"))
	v.msg == "StorageClass fast erases a disk as soon as its claim is deleted"
	v.path == ["reclaimPolicy"]
	startswith(v.fix, "Set reclaimPolicy: Retain; a class that exists is deleted and created again")
}

test_class_that_exists_is_made_again if {
	some v in found(class("UPDATE", "fast", "Delete"))
	contains(v.fix, "kubectl delete storageclass fast, and apply it")
}

test_scratch_class_passes if found(class("CREATE", "fast-scratch", "Delete")) == set()

test_volumes_made_by_hand_have_their_own_policy if {
	document := class("CREATE", "local", "Delete")
	found(object.union(
		document,
		{"workload": {"storage_class": {"provisioner": "kubernetes.io/no-provisioner"}}},
	)) == set()
}

test_claim_of_a_class_that_retains_passes if found(claims("CREATE", "template", record("fast", "Retain"))) == set()

test_claims_of_a_class_that_deletes_fail if {
	some v in found(claims("CREATE", "template", record("gp3", "Delete")))
	contains(v.msg, "claim data uses class gp3, which erases")
	v.path == ["spec", "storageClassName"]
	contains(v.fix, "for the volumes that there are, kubectl patch pv")
	some w in found(claims("CREATE", "object", record("gp3", "Delete")))
	contains(w.fix, "once data is bound")
}

test_claim_that_exists_is_left_alone if found(claims("UPDATE", "object", record("gp3", "Delete"))) == set()

test_scratch_space_and_claims_of_others_are_not_judged if {
	found(claims("CREATE", "ephemeral", record("gp3", "Delete"))) == set()
	found(claims("CREATE", "reference", record("gp3", "Delete"))) == set()
	found(claims("CREATE", "template", record("scratch", "Delete"))) == set()
}

test_tier_may_be_exempt if {
	document := claims("CREATE", "template", record("gp3", "Delete"))
	found(object.union(document, {"workload": {"tier": "dev"}})) == set()
	count(found(object.union(document, {"workload": {"tier": "prod"}}))) == 1
}

test_claims_may_be_left_to_their_classes if {
	document := claims("CREATE", "template", record("gp3", "Delete"))
	found(object.union(document, {"parameters": {"judge_claims": false}})) == set()
}

test_unknown_class_says_nothing if {
	document := claims("CREATE", "template", record("gp3", "Delete"))
	found(object.remove(document, ["related"])) == set()
}

test_what_nothing_serves_any_more_passes if {
	gone := {"workload": {"storage_class": {"provisioner": "kubernetes.io/quobyte"}}}
	found(object.union(class("CREATE", "fast", "Delete"), gone)) == set()
}

directories(provisioner, told) := object.union(
	class("CREATE", "nfs", "Delete"),
	{"workload": {"storage_class": {"provisioner": provisioner, "parameters": told}}},
)

test_directories_that_their_provisioner_keeps_pass if {
	every provisioner in ["fuseim.pri/ifs", "k8s-sigs.io/nfs-subdir-external-provisioner", "nfs-client"] {
		found(directories(provisioner, {})) == set()
		found(directories(provisioner, {"archiveOnDelete": "false", "onDelete": "retain"})) == set()
		count(found(directories(provisioner, {"archiveOnDelete": "false"}))) == 1
		count(found(directories(provisioner, {"archiveOnDelete": "true", "onDelete": "delete"}))) == 1
	}
	found(directories("nfs.csi.k8s.io", {"onDelete": "archive"})) == set()
	found(directories("nfs.csi.k8s.io", {"ondelete": "Retain"})) == set()
	count(found(directories("nfs.csi.k8s.io", {"onDelete": "delete"}))) == 1
	count(found(directories("nfs.csi.k8s.io", {}))) == 1
}

test_driver_for_tests_passes if {
	tried := {"workload": {"storage_class": {"provisioner": "hostpath.csi.k8s.io"}}}
	found(object.union(class("CREATE", "csi-hostpath", "Delete"), tried)) == set()
}
