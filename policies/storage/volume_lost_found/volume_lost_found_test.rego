package stategate.storage.volume_lost_found_test

import data.stategate.storage.volume_lost_found as policy

request(repository, engine, mount, class) := {
	"workload": {
		"engine": {"name": engine, "data_dirs": [{"dir": "/d", "container": "db", "origin": "default", "mount": object.union(
			{"mount_path": "/d", "volume": "data", "source": "volumeClaimTemplate", "path": ["m"]},
			mount,
		)}]},
		"containers": [{"name": "db", "image": {"repository": repository}}],
		"volumes": [{"name": "data", "claim": "data"}],
	},
	"parameters": {
		"images": ["postgres", "kafka"],
		"other_repositories": ["*bitnami*"],
		"without_lost_found": ["rancher.io/local-path"],
		"classes_without_object": ["manual"],
	},
	"related": {"claim_classes": {"data": class}},
}

ebs := {"provisioner": "ebs.csi.aws.com", "parameters": {}}

found(document) := violations if violations := policy.violation with input as document

test_the_root_of_a_volume_fails if {
	some v in found(request("library/postgres", "postgres", {}, ebs))
	contains(v.msg, "postgres does not start on a new volume at /d")
	contains(v.fix, "or set PGDATA: /d/pgdata")
	some w in found(request("apache/kafka", "kafka", {}, ebs))
	not contains(w.fix, "PGDATA")
}

test_a_directory_below_passes if {
	found(request("library/postgres", "postgres", {"sub_path": "pg"}, ebs)) == set()
	found(request("library/postgres", "postgres", {"mount_path": "/"}, ebs)) == set()
}

test_other_images_and_volumes_pass if {
	found(request("bitnami/postgres", "postgres", {}, ebs)) == set()
	found(request("library/mysql", "mysql", {}, ebs)) == set()
	found(request("library/postgres", "postgres", {"source": "hostPath"}, ebs)) == set()
}

test_file_systems_without_it_pass if {
	found(request("library/postgres", "postgres", {}, {"provisioner": "rancher.io/local-path", "parameters": {}})) == set()
	by_hand := {"provisioner": "kubernetes.io/no-provisioner", "parameters": {}}
	found(request("library/postgres", "postgres", {}, by_hand)) == set()
	every name in ["csi.storage.k8s.io/fstype", "fsType"] {
		found(request("library/postgres", "postgres", {}, {"provisioner": "x", "parameters": {name: "xfs"}})) == set()
		count(found(request("library/postgres", "postgres", {}, {"provisioner": "x", "parameters": {name: "ext4"}}))) == 1
	}
}

test_an_init_container_may_prepare_the_volume if {
	document := request("library/postgres", "postgres", {}, ebs)
	init := {"name": "prepare", "role": "init", "mounts": [{"volume": "data"}], "image": {"repository": "busybox"}}
	with_init := object.union(document, {"workload": {"containers": array.concat(document.workload.containers, [init])}})
	found(with_init) == set()
}

test_volumes_made_by_hand_pass if {
	document := request("library/postgres", "postgres", {"source": "persistentVolumeClaim"}, ebs)
	every source in ["hostPath", "local", "nfs"] {
		reserved := {"pvs": [{"name": "pv0", "claim_name": "data", "source": source}]}
		found(object.union(document, {"related": reserved})) == set()
		named := {"pvs": [{"name": "pv0", "source": source}], "pvcs": [{"name": "data", "volume_name": "pv0"}]}
		found(object.union(document, {"related": named})) == set()
	}
	other := {"pvs": [{"name": "pv0", "claim_name": "data", "source": "csi"}]}
	count(found(object.union(document, {"related": other}))) == 1
}

of_class(name, related) := found(object.union(
	object.remove(request("library/postgres", "postgres", {}, ebs), ["related"]),
	{"workload": {"claims": [{"name": "data", "origin": "template", "storage_class": name}]}, "related": related},
))

test_classes_that_nobody_provisions_pass if {
	of_class("manual", {}) == set()
	count(of_class("manual", {"claim_classes": {"data": ebs}})) == 1
	some v in of_class("fast", {})
	contains(v.msg, "at /d, if its class makes ext4 file systems: the root")
	some w in of_class("fast", {"claim_classes": {"data": ebs}})
	contains(w.msg, "at /d: the root")
}

test_classes_of_network_file_systems_pass if {
	every name in ["nfs-rancher", "managed-nfs-storage", "rook-cephfs", "efs-sc", "glusterfs"] {
		of_class(name, {}) == set()
	}
}

of_version(repository, major) := violations if {
	where := "/var/lib/postgresql/data"
	document := request(repository, "postgres", {"mount_path": where}, ebs)
	some dir in document.workload.engine.data_dirs
	engine := object.union({"data_dirs": [object.union(dir, {"dir": where})]}, major)
	violations := found(object.union(document, {"workload": {"engine": engine}}))
}

test_a_version_that_is_not_known_may_be_one_that_moved if {
	some v in of_version("library/postgres", {})
	startswith(v.fix, "Name a version in the image's tag: of 18 and later, mount the volume at /var/lib/postgresql;")
	some w in of_version("library/postgres", {"major": 16})
	startswith(w.fix, "Mount it with subPath: data, or set PGDATA")
}

test_directory_that_a_script_fills_stays_where_it_is if {
	document := request("library/postgres", "postgres", {}, ebs)
	filling := [object.union(one, {"command": ["bash", "-c", "pg_basebackup -h primary -D /d"], "args": []}) |
		some one in document.workload.containers
	]
	some v in found(object.union(document, {"workload": {"containers": filling}}))
	startswith(v.fix, "Mount it with subPath: data; if the volume")
	by_file := [object.union(one, {"command": [], "args": [], "files": [{"text": "initdb /d"}]}) |
		some one in document.workload.containers
	]
	some w in found(object.union(document, {"workload": {"containers": by_file}}))
	not contains(w.fix, "PGDATA")
}
