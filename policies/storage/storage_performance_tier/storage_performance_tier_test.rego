package stategate.storage.storage_performance_tier_test

import data.stategate.storage.storage_performance_tier as policy

request(engine, provisioner, class_parameters) := {
	"workload": {
		"kind": "StatefulSet",
		"engine": {
			"name": engine,
			"data_dirs": [{"dir": "/data", "container": "db", "mount": {"volume": "data", "source": "volumeClaimTemplate"}}],
		},
		"containers": [{"name": "db", "mounts": [{"volume": "data", "mount_path": "/data"}]}],
		"volumes": [
			{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
			{"name": "dumps", "source": "volumeClaimTemplate", "claim": "dumps"},
		],
		"claims": [
			{"name": "data", "origin": "template", "path": ["claim"]},
			{"name": "dumps", "origin": "template", "path": ["dumps"]},
		],
	},
	"related": {"claim_classes": {
		"data": {"name": "disk", "provisioner": provisioner, "parameters": class_parameters},
		"dumps": {"name": "cold", "provisioner": "ebs.csi.aws.com", "parameters": {"type": "sc1"}},
	}},
	"parameters": {"engines": ["postgres"], "slow_types": {"csi.san.example": ["bronze"]}},
}

found(document) := violations if violations := policy.violation with input as document

test_ssd_passes if {
	found(request("postgres", "ebs.csi.aws.com", {"type": "gp3"})) == set()
	found(request("postgres", "ebs.csi.aws.com", {})) == set()
	found(request("postgres", "disk.csi.azure.com", {"skuName": "Premium_LRS"})) == set()
}

test_slow_disk_fails if {
	some v in found(request("postgres", "ebs.csi.aws.com", {"Type": "ST1"}))
	v.msg == "claim data holds data of postgres on st1 disks (class disk): every commit waits for them"
	v.path == ["claim"]
	count(found(request("postgres", "disk.csi.azure.com", {"skuName": "Standard_LRS"}))) == 1
}

test_default_of_the_driver_counts if {
	count(found(request("postgres", "pd.csi.storage.gke.io", {}))) == 1
	found(request("postgres", "pd.csi.storage.gke.io", {"type": "pd-balanced"})) == set()
}

test_types_of_the_parameters if count(found(request("postgres", "csi.san.example", {"type": "bronze"}))) == 1

test_other_engines_pass if found(request("kafka", "ebs.csi.aws.com", {"type": "st1"})) == set()

test_no_engine_passes if {
	document := request("postgres", "ebs.csi.aws.com", {"type": "st1"})
	found({
		"workload": object.remove(document.workload, ["engine"]),
		"related": document.related,
		"parameters": document.parameters,
	}) == set()
}
