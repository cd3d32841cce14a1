package stategate.storage.volume_no_shared_filesystem_db_test

import data.stategate.storage.volume_no_shared_filesystem_db as policy

origins := {"volumeClaimTemplate": "template", "persistentVolumeClaim": "reference"}

request(engine, source) := {
	"workload": {
		"kind": "StatefulSet",
		"engine": {
			"name": engine,
			"data_dirs": [{"dir": "/data", "container": "db", "mount": {"volume": "data", "source": source}}],
		},
		"containers": [{"name": "db", "mounts": [{"volume": "data", "source": source, "mount_path": "/data"}]}],
		"volumes": [
			{"name": "data", "source": source, "claim": "data", "path": ["volume"]},
			{"name": "dumps", "source": "nfs", "path": ["dumps"]},
		],
		"claims": [{"name": "data", "origin": origin, "path": ["claim"]} | origin := origins[source]],
	},
	"related": {"claim_classes": {}},
	"parameters": {"engines": ["postgres"], "shared_provisioners": ["efs.csi.aws.com", "*nfs*"]},
}

of_class(document, provisioner) := object.union(
	document,
	{"related": {"claim_classes": {"data": {"name": "files", "provisioner": provisioner}}}},
)

found(document) := violations if violations := policy.violation with input as document

test_block_storage_passes if found(of_class(request("postgres", "volumeClaimTemplate"), "ebs.csi.aws.com")) == set()

test_class_of_files_fails if {
	some v in found(of_class(request("postgres", "volumeClaimTemplate"), "efs.csi.aws.com"))
	contains(v.msg, "data of postgres is on a network file system (class files, efs.csi.aws.com)")
	v.path == ["claim"]
	contains(v.fix, "another claim in the place of data")
	count(found(of_class(request("postgres", "persistentVolumeClaim"), "cluster.local/nfs-subdir"))) == 1
}

test_volume_of_the_pod_fails if {
	some v in found(request("postgres", "nfs"))
	contains(v.msg, "volume data, nfs")
	v.path == ["volume"]
}

test_csi_volume_of_the_pod_fails if {
	volume := {"name": "data", "source": "csi", "driver": "nfs.csi.k8s.io", "path": ["volume"]}
	document := object.union(request("postgres", "csi"), {"workload": {"volumes": [volume]}})
	some v in found(document)
	contains(v.msg, "volume data, nfs.csi.k8s.io")
}

made_by_hand(volume) := object.union(
	request("postgres", "persistentVolumeClaim"),
	{"related": {"pvs": [object.union({"name": "pv-pg", "claim_name": "data"}, volume)]}},
)

test_volume_made_by_hand_fails if {
	some v in found(made_by_hand({"source": "nfs"}))
	contains(v.msg, "PersistentVolume pv-pg")
	count(found(made_by_hand({"source": "csi", "driver": "efs.csi.aws.com"}))) == 1
}

test_volume_made_by_hand_on_block_storage_passes if {
	found(made_by_hand({"source": "csi", "driver": "ebs.csi.aws.com"})) == set()
	found(made_by_hand({"source": "nfs", "claim_name": "other"})) == set()
}

test_class_is_told_rather_than_its_volume if {
	count(found(of_class(made_by_hand({"source": "nfs"}), "nfs.csi.k8s.io"))) == 1
}

test_other_engines_pass if found(of_class(request("minio", "volumeClaimTemplate"), "efs.csi.aws.com")) == set()

test_no_engine_passes if {
	document := request("postgres", "nfs")
	found(object.union(document, {"workload": {"engine": {"name": "postgres", "data_dirs": []}}})) == set()
}
