package stategate.storage.pv_reclaim_retain_test

import data.stategate.storage.pv_reclaim_retain as policy

view(reclaim, annotations) := {
	"kind": "PersistentVolume",
	"name": "pvc-7f1",
	"annotations": annotations,
	"persistent_volume": {
		"reclaim_policy": reclaim,
		"storage_class": "fast",
		"claim": "shop/data-pg-0",
		"claim_namespace": "shop",
	},
}

parameters := {"scratch_classes": ["*scratch*"], "exempt_namespaces": ["lab-*"]}

created(now) := {"workload": now, "parameters": parameters}

updated(before, now) := {"workload": now, "old_workload": before, "parameters": parameters}

found(document) := violations if violations := policy.violation with input as document

test_retained_volume_passes if found(created(view("Retain", {}))) == set()

test_volume_that_is_erased_fails if {
	some v in found(created(view("Delete", {})))
	v.msg == "PersistentVolume pvc-7f1 of claim shop/data-pg-0 is erased when the claim is deleted"
	v.path == ["spec", "persistentVolumeReclaimPolicy"]
	contains(v.fix, "kubectl patch pv pvc-7f1 -p")
}

test_what_a_provisioner_makes_is_told_once_it_is_bound if {
	now := object.union(created(view("Delete", {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"})), {"review": {"operation": "CREATE"}})
	found(now) == set()
	count(found(object.union(now, {"workload": {"persistent_volume": {"phase": "Bound"}}}))) == 1
	count(found(object.union(now, {"review": {"operation": "UPDATE"}}))) == 1
}

test_released_volume_is_erased_at_once if {
	released := {"persistent_volume": {"phase": "Released"}}
	some v in found(updated(object.union(view("Retain", {}), released), object.union(view("Recycle", {}), released)))
	contains(v.msg, "its claim is gone: its disk is erased at once")
}

test_flip_is_a_fault_of_its_own if {
	some v in found(updated(view("Retain", {}), view("Recycle", {})))
	contains(v.msg, "is no longer retained")
	contains(v.fix, "kubectl annotate pv pvc-7f1 stategate.io/confirm-delete=pvc-7f1 first")
	some w in found(created(view("Recycle", {})))
	v.key != w.key
}

test_confirmed_flip_passes if {
	confirmed := {"stategate.io/confirm-delete": "pvc-7f1"}
	found(updated(view("Retain", confirmed), view("Recycle", confirmed))) == set()
	count(found(updated(view("Retain", {}), view("Recycle", confirmed)))) == 1
	other := {"stategate.io/confirm-delete": "pvc-7f2"}
	count(found(updated(view("Retain", other), view("Recycle", other)))) == 1
}

test_flip_to_delete_is_another_policy_s_matter if {
	found(updated(view("Retain", {}), view("Delete", {}))) == set()
	count(found(updated(view("Delete", {}), view("Delete", {})))) == 1
}

test_recycling_erases_as_well if count(found(created(view("Recycle", {})))) == 1

changed(overrides) := created(object.union(view("Delete", {}), {"persistent_volume": overrides}))

test_scratch_passes if {
	found(changed({"storage_class": "scratch"})) == set()
	found(changed({"claim_namespace": "lab-7"})) == set()
}

test_volume_that_is_not_bound_passes if {
	document := created(view("Delete", {}))
	volume := object.remove(document.workload.persistent_volume, ["claim", "claim_namespace"])
	found({"workload": {"name": "pvc-7f1", "persistent_volume": volume}, "parameters": parameters}) == set()
}

patched(document) := patches if patches := policy.patch with input as document

test_volume_is_retained_in_files if {
	patched(created(view("Delete", {}))) == {{"op": "replace", "path": ["spec", "persistentVolumeReclaimPolicy"], "value": "Retain"}}
	patched(created(view("Retain", {}))) == set()
}
