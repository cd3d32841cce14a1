package stategate.storage.pvc_access_mode_single_writer_test

import data.stategate.storage.pvc_access_mode_single_writer as policy

sources := {"template": "volumeClaimTemplate", "reference": "persistentVolumeClaim"}

request(operation, origin, modes, volume_mode) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StatefulSet",
		"name": "pg", "namespace": "shop",
		"engine": {
			"name": "postgres",
			"data_dirs": [{"dir": "/data", "container": "db", "mount": {"volume": "data", "source": sources[origin]}}],
		},
		"containers": [{"name": "db", "mounts": [{"volume": "data", "mount_path": "/data"}]}],
		"volumes": [
			{"name": "data", "source": sources[origin], "claim": "data"},
			{"name": "uploads", "source": "persistentVolumeClaim", "claim": "uploads"},
		],
		"claims": [
			{
				"name": "data",
				"origin": origin,
				"access_modes": modes,
				"volume_mode": volume_mode,
				"path": ["claim"],
				"spec_path": ["claim", "spec"],
			},
			{"name": "uploads", "origin": "reference"},
		],
	},
	"related": {"pvcs": [
		{"name": "data", "access_modes": modes, "volume_mode": volume_mode},
		{"name": "uploads", "access_modes": ["ReadWriteMany"], "volume_mode": "Filesystem"},
	]},
	"parameters": {"exempt_engines": ["minio"]},
}

found(document) := violations if violations := policy.violation with input as document

test_one_writer_passes if found(request("CREATE", "template", ["ReadWriteOnce"], "Filesystem")) == set()

test_template_for_many_fails if {
	some v in found(request("CREATE", "template", ["ReadWriteOnce", "ReadWriteMany"], "Filesystem"))
	contains(v.msg, "claim data holds data of postgres and is ReadWriteMany")
	v.path == ["claim", "spec", "accessModes"]
	startswith(v.fix, "Set accessModes: [ReadWriteOnce] in the claim template; if the StatefulSet exists: kubectl delete statefulset")
}

test_template_that_exists_is_told_how_to_replace_it if {
	some v in found(request("UPDATE", "template", ["ReadWriteMany"], "Filesystem"))
	contains(v.fix, "kubectl delete statefulset pg -n shop --cascade=orphan")
}

test_claim_that_is_named_fails if {
	some v in found(request("CREATE", "reference", ["ReadWriteMany"], "Filesystem"))
	v.path == ["claim"]
	contains(v.fix, "copy the data of data")
}

test_directory_of_a_node_passes if {
	document := request("CREATE", "reference", ["ReadWriteMany"], "Filesystem")
	some v in found(object.union(document, {"related": {"pvs": [{"name": "a", "source": "nfs", "claim_name": "data"}]}}))
	contains(v.fix, "(if volumes are made by hand, with a volume of that mode)")
	reserved := {"related": {"pvs": [{"name": "a", "source": "hostPath", "claim_name": "data"}]}}
	found(object.union(document, reserved)) == set()
	named := {"related": {
		"pvcs": [{"name": "data", "volume_name": "a", "access_modes": ["ReadWriteMany"], "volume_mode": "Filesystem"}],
		"pvs": [{"name": "a", "source": "local"}],
	}}
	found(object.union(document, named)) == set()
}

test_raw_devices_are_shared_on_purpose if found(request("CREATE", "template", ["ReadWriteMany"], "Block")) == set()

test_exempt_engine_passes if {
	document := request("CREATE", "template", ["ReadWriteMany"], "Filesystem")
	found(object.union(document, {"workload": {"engine": {"name": "minio"}}})) == set()
}

test_claim_that_is_not_known_says_nothing if {
	found(object.remove(request("CREATE", "reference", ["ReadWriteMany"], "Filesystem"), ["related"])) == set()
}

test_several_writers_stop_first if {
	document := request("CREATE", "reference", ["ReadWriteMany"], "Filesystem")
	some v in found(object.union(document, {"workload": {"replicas": 2}}))
	startswith(v.fix, "Set replicas: 1 now, since 2 pods write the files of data")
}
