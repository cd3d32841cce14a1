package stategate.storage.pv_reclaim_recycle_test

import data.stategate.storage.pv_reclaim_recycle as policy

volume(reclaim, source) := {"workload": {
	"name": "media",
	"persistent_volume": {"reclaim_policy": reclaim, "source": source},
}}

class(reclaim) := {"workload": {"name": "slow", "storage_class": {"reclaim_policy": reclaim}}}

found(document) := violations if violations := policy.violation with input as document

patches(document) := operations if operations := policy.patch with input as document

test_recycle_fails_where_it_deletes if {
	every source in ["nfs", "hostPath"] {
		some v in found(volume("Recycle", source))
		contains(v.msg, "PersistentVolume media is wiped")
		contains(v.fix, "kubectl patch pv media")
		count(patches(volume("Recycle", source))) == 1
	}
}

test_other_volumes_and_policies_pass if {
	found(volume("Recycle", "csi")) == set()
	patches(volume("Recycle", "csi")) == set()
	every reclaim in ["Retain", "Delete"] {
		found(volume(reclaim, "nfs")) == set()
		found(class(reclaim)) == set()
	}
}

test_a_class_is_refused_anyway if {
	some v in found(class("Recycle"))
	v.fix == "Set reclaimPolicy: Retain"
	patches(class("Recycle")) == set()
}
