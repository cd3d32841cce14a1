package stategate.storage.pvc_data_source_ready_test

import data.stategate.storage.pvc_data_source_ready as policy

source := {"kind": "VolumeSnapshot", "name": "nightly", "api_group": "snapshot.storage.k8s.io", "path": ["spec", "dataSource"]}

nightly := {"ready": true, "restore_size": 50, "driver": "ebs.csi.aws.com"}

request(data_source, snapshots) := {
	"review": {"uid": ""},
	"workload": {"kind": "PersistentVolumeClaim", "namespace": "shop", "claims": [{
		"name": "restored",
		"origin": "object",
		"size": 50,
		"size_text": "50",
		"data_source": data_source,
		"spec_path": ["spec"],
	}]},
	"related": {
		"snapshots": snapshots,
		"claim_classes": {"restored": {"name": "fast", "provisioner": "ebs.csi.aws.com"}},
	},
}

found(document) := violations if violations := policy.violation with input as document

of(overrides) := found(request(source, {"nightly": object.union(nightly, overrides)}))

test_ready_snapshot_passes if of({}) == set()

test_no_snapshot_fails if {
	some v in found(request(source, {}))
	v.msg == "claim restored is restored from VolumeSnapshot nightly, which does not exist: it stays pending"
	v.path == ["spec", "dataSource"]
}

test_snapshot_without_a_status_is_not_known_in_files if {
	unsaid := object.remove(nightly, ["ready"])
	found(request(source, {"nightly": unsaid})) == set()
	at_admission := object.union(request(source, {"nightly": unsaid}), {"review": {"uid": "8e1f"}})
	some v in found(at_admission)
	contains(v.msg, "which is not ready")
}

test_snapshot_that_is_not_ready_fails if {
	some v in of({"ready": false})
	contains(v.msg, "which is not ready: it stays pending until it is")
	some w in of({"ready": false, "error": "quota exceeded"})
	contains(w.msg, "which is not ready: quota exceeded")
}

test_claim_that_is_too_small_fails if {
	some v in of({"restore_size": 80})
	contains(v.msg, "asks for 50: less than VolumeSnapshot nightly needs")
	contains(v.fix, "80 bytes")
	v.path == ["spec", "resources", "requests", "storage"]
}

test_other_driver_fails if {
	some v in of({"driver": "pd.csi.storage.gke.io"})
	contains(v.msg, "VolumeSnapshot nightly of pd.csi.storage.gke.io")
}

test_other_sources_are_not_judged if {
	found(request(object.union(source, {"kind": "PersistentVolumeClaim"}), {})) == set()
	found(request(object.union(source, {"namespace": "archive"}), {})) == set()
	count(found(request(object.union(source, {"namespace": "shop"}), {}))) == 1
}

test_what_is_not_known_is_not_judged if found(object.remove(request(source, {}), ["related"])) == set()
