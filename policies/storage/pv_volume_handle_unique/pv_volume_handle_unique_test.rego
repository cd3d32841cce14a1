package stategate.storage.pv_volume_handle_unique_test

import data.stategate.storage.pv_volume_handle_unique as policy

volume(fields) := object.union(
	{
		"source": "csi",
		"driver": "ebs.csi.aws.com",
		"handle": "vol-1",
		"access_modes": ["ReadWriteOnce"],
		"read_only": false,
		"reclaim_policy": "Delete",
	},
	fields,
)

request(name, own, others) := {
	"review": {"uid": ""},
	"workload": {"name": name, "persistent_volume": volume(own)},
	"related": {"pvs": [volume(other) | some other in others]},
	"parameters": {"shared_drivers": ["*efs*"]},
}

found(document) := violations if violations := policy.violation with input as document

test_two_volumes_of_one_disk_fail_once if {
	some v in found(request("b", {}, [{"name": "a"}]))
	contains(v.msg, "PersistentVolumes b and a are one disk (vol-1)")
	contains(v.fix, "set persistentVolumeReclaimPolicy: Retain in the manifest of b; set")
	not contains(v.fix, "kubectl")
	found(request("a", {}, [{"name": "b"}])) == set()
}

test_a_volume_of_the_cluster_counts_whatever_its_name_is if {
	some v in found(request("a", {}, [{"name": "b", "phase": "Bound"}]))
	contains(v.fix, "Retain in the manifest of a; kubectl patch pv b -p")
	some changed in found(object.union(request("a", {}, [{"name": "b", "phase": "Bound"}]), {"old_workload": {"name": "a"}}))
	contains(changed.fix, "kubectl patch pv a -p")
	count(found(request("a", {}, [{"name": "b", "phase": "Released"}]))) == 1
}

test_at_admission_all_others_are_in_the_cluster if {
	document := request("a", {}, [{"name": "b"}])
	count(found(object.union(document, {"review": {"uid": "9f4c"}}))) == 1
	found(object.union(document, {"review": {"uid": ""}})) == set()
}

test_a_released_volume_that_is_retained_passes if {
	found(request("a", {}, [{"name": "b", "phase": "Released", "reclaim_policy": "Retain"}])) == set()
}

test_what_is_shared_by_design_passes if {
	many := {"access_modes": ["ReadWriteMany"]}
	found(request("b", many, [object.union(many, {"name": "a"})])) == set()
	count(found(request("b", many, [{"name": "a"}]))) == 1
	found(request("b", {"read_only": true}, [{"name": "a", "read_only": true}])) == set()
	found(request("b", {"driver": "efs.csi.aws.com"}, [{"name": "a"}])) == set()
}

test_a_volume_alone_passes if found(request("b", {}, [])) == set()

test_a_disk_that_stays_needs_no_patch if {
	kept := {"reclaim_policy": "Retain"}
	some v in found(request("b", kept, [object.union(kept, {"name": "a"})]))
	v.fix == "Keep one of them. Delete the other: with reclaim policy Retain, the disk stays"
}

test_disks_without_a_driver_count if {
	local := {"source": "local", "handle": "/mnt/d on n1"}
	document := request("b", local, [object.union(local, {"name": "a"})])
	some v in found(json.remove(document, ["workload/persistent_volume/driver"]))
	contains(v.msg, "are one directory (/mnt/d on n1): two claims can")
	v.path == ["spec", "local"]
}

test_one_directory_is_not_told_to_lose_a_volume if {
	dir := {"source": "hostPath", "handle": "/mnt/d on n1"}
	retained := object.union(dir, {"reclaim_policy": "Retain"})
	some v in found(request("c", retained, [object.union(retained, {"name": "a"}), object.union(retained, {"name": "b"})]))
	contains(v.msg, "PersistentVolumes c and a and b are one directory (/mnt/d on n1): 3 claims can write it at once")
	startswith(v.fix, "If programs share these files on purpose (no data store's), make volumes and claims anew with")
	contains(v.fix, "; else give each a directory of its own: with their pods stopped, move what belongs")
	found(request("b", retained, [object.union(retained, {"name": "a"}), object.union(retained, {"name": "c"})])) == set()
	some w in found(request("c", retained, [object.union(dir, {"name": "a"})]))
	startswith(w.fix, "First, lest the end of one of them deletes the files: set persistentVolumeReclaimPolicy: Retain in the manifest of a. If")
}
