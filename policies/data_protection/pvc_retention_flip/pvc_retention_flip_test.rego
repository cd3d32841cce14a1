package stategate.data_protection.pvc_retention_flip_test

import data.stategate.data_protection.pvc_retention_flip as policy

view(deleted, scaled) := {"name": "pg", "retention": {"when_deleted": deleted, "when_scaled": scaled}}

update(old, new) := violations if {
	violations := policy.violation with input as {"old_workload": old, "workload": new}
}

kept := view("Retain", "Retain")

test_retain_passes if update(kept, kept) == set()

test_flip_on_delete_fails if {
	some v in update(kept, view("Delete", "Retain"))
	v.msg == "whenDeleted: Delete lets go of the claims of pg, kept so far, when it is deleted: their disks are erased unless they are retained"
	v.path == ["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"]
	v.fix == "Set persistentVolumeClaimRetentionPolicy.whenDeleted back to Retain"
}

test_flip_on_scale_fails if {
	some v in update(kept, view("Retain", "Delete"))
	contains(v.msg, "when it is scaled down")
	v.path == ["spec", "persistentVolumeClaimRetentionPolicy", "whenScaled"]
}

test_both_are_found if count(update(kept, view("Delete", "Delete"))) == 2

test_what_was_so_before_is_another_policy_s_matter if {
	update(view("Delete", "Delete"), view("Delete", "Delete")) == set()
	count(update(view("Delete", "Retain"), view("Delete", "Delete"))) == 1
}

test_the_way_back_passes if update(view("Delete", "Delete"), kept) == set()
