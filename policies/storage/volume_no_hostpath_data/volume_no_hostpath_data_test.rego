package stategate.storage.volume_no_hostpath_data_test

import data.stategate.storage.volume_no_hostpath_data as policy

mount(volume, source, path) := {
	"container": "db",
	"volume": volume,
	"source": source,
	"mount_path": path,
	"read_only": false,
	"path": ["spec", "template", "spec", "containers", 0, "volumeMounts", 0],
}

on(path, origin, held_by) := {"dir": path, "container": "db", "origin": origin, "mount": held_by}

host_volume(index, name, host_path) := {
	"name": name,
	"source": "hostPath",
	"host_path": host_path,
	"path": ["spec", "template", "spec", "volumes", index],
}

test_pages_of_a_web_server_are_not_its_data if {
	web := object.union(request([], [mount("data", "hostPath", "/code")]), {"workload": {"containers": [{
		"name": "db",
		"role": "main",
		"mounts": [mount("data", "hostPath", "/code")],
		"image": {"repository": "library/nginx"},
		"command": [],
		"args": [],
	}]}})
	violations := policy.violation with input as web
	violations == set()
}

volumes := [host_volume(0, "data", "/mnt/pg"), host_volume(1, "wal", "/mnt/wal"), host_volume(2, "logs", "/var/log/app")]

parameters := {
	"allowed_host_paths": [],
	"harmless_host_paths": ["/dev", "/var/log"],
	"scratch_path_globs": ["*/tmp", "*/log"],
}

request(dirs, mounts) := {
	"workload": {
		"kind": "StatefulSet",
		"engine": {"name": "postgres", "container": "db", "data_dirs": dirs},
		"containers": [
			{"name": "prepare", "role": "init", "mounts": [mount("data", "hostPath", "/prepare")]},
			{"name": "db", "role": "main", "mounts": mounts},
		],
		"volumes": volumes,
	},
	"parameters": parameters,
}

found(document) := violations if violations := policy.violation with input as document

disk := mount("data", "hostPath", "/var/lib/postgresql/data")

kept := mount("claim", "volumeClaimTemplate", "/var/lib/postgresql/data")

test_logs_of_an_unknown_image_pass if {
	logs := object.union(mount("data", "hostPath", "/logs"), {"container": "filer"})
	found(request([], [logs])) == set()
	count(found(request([], [object.union(logs, {"mount_path": "/files"})]))) == 1
}

test_claim_passes if found(request([on("/var/lib/postgresql/data", "default", kept)], [kept])) == set()

test_data_on_the_node_fails if {
	some v in found(request([on("/var/lib/postgresql/data", "default", disk)], [disk]))
	contains(v.msg, "container db at /var/lib/postgresql/data is in /mnt/pg of the node")
	v.path == ["spec", "template", "spec", "volumes", 0]
	contains(v.fix, "replace hostPath data by an entry of spec.volumeClaimTemplates")
}

test_mount_above_the_data_fails if {
	above := mount("data", "hostPath", "/var/lib")
	count(found(request([on("/var/lib/postgresql/data", "default", above)], [above]))) == 1
}

test_two_guesses_on_one_volume_are_one_fault if {
	above := mount("data", "hostPath", "/var/lib/kafka")
	dirs := [on("/var/lib/kafka", "default", above), on("/var/lib/kafka/data", "default", above)]
	count(found(request(dirs, [above]))) == 1
}

test_guess_that_is_not_used_passes if {
	tmp := mount("data", "hostPath", "/tmp")
	dirs := [on("/var/lib/kafka/data", "default", kept), on("/tmp/kraft-combined-logs", "default", tmp)]
	found(request(dirs, [kept, tmp])) == set()
}

test_declared_directory_is_used if {
	second := mount("wal", "hostPath", "/disk2")
	dirs := [on("/var/lib/postgresql/data", "environment", kept), on("/disk2", "environment", second)]
	count(found(request(dirs, [kept, second]))) == 1
}

test_part_of_the_data_fails if {
	wal := mount("wal", "hostPath", "/var/lib/postgresql/data/pg_wal")
	some v in found(request([on("/var/lib/postgresql/data", "default", kept)], [kept, wal]))
	contains(v.msg, "/mnt/wal of the node")
}

test_scratch_below_the_data_passes if {
	log := mount("wal", "hostPath", "/var/lib/postgresql/data/log")
	found(request([on("/var/lib/postgresql/data", "default", kept)], [kept, log])) == set()
}

test_directory_beside_the_data_passes if {
	beside := mount("wal", "hostPath", "/backup")
	found(request([on("/var/lib/postgresql/data", "default", kept)], [kept, beside])) == set()
}

read_only(one) := object.union(one, {"read_only": true})

test_read_only_passes if {
	found(request([on("/var/lib/postgresql/data", "default", read_only(disk))], [read_only(disk)])) == set()
	part := read_only(mount("wal", "hostPath", "/var/lib/postgresql/data/conf.d"))
	found(request([on("/var/lib/postgresql/data", "default", kept)], [kept, part])) == set()
	found(request([], [read_only(disk)])) == set()
}

test_all_that_an_unknown_image_writes_to_fails if {
	srv := mount("data", "hostPath", "/srv")
	some v in found(request([], [srv, mount("logs", "hostPath", "/var/log/app")]))
	contains(v.msg, "container db at /srv is in /mnt/pg of the node")
}

test_unknown_image_without_engine_is_judged_alike if {
	document := request([], [mount("data", "hostPath", "/srv")])
	count(found({"workload": object.remove(document.workload, ["engine"]), "parameters": parameters})) == 1
}

test_a_directory_that_a_script_names_in_vain_says_nothing if {
	dir := {"dir": "/tmp/pg", "container": "db", "origin": "script"}
	count(found(request([dir], [mount("data", "hostPath", "/srv")]))) == 1
}

test_unknown_image_with_a_claim_passes if {
	found(request([], [mount("data", "hostPath", "/srv"), kept])) == set()
}

test_empty_dir_beside_it_is_no_other_storage if {
	count(found(request([], [mount("data", "hostPath", "/srv"), mount("scratch", "emptyDir", "/tmp")]))) == 1
}

test_what_agents_use_passes if {
	found(request([], [mount("logs", "hostPath", "/var/log/app")])) == set()
}

test_directory_on_purpose_passes if {
	document := request([on("/var/lib/postgresql/data", "default", disk)], [disk])
	found(object.union(document, {"parameters": {"allowed_host_paths": ["/mnt"]}})) == set()
	count(found(object.union(document, {"parameters": {"allowed_host_paths": ["/mnt/p"]}}))) == 1
}

test_pods_of_a_daemon_set_do_not_move if {
	document := request([on("/var/lib/postgresql/data", "default", disk)], [disk])
	some v in found(object.union(document, {"workload": {"kind": "DaemonSet"}}))
	contains(v.msg, "a node that goes takes it along")
	contains(v.fix, "make it a StatefulSet")
}

test_agents_of_unknown_images_pass if {
	known := object.union(request([], [mount("data", "hostPath", "/srv/node")]), {"workload": {"kind": "DaemonSet"}})
	count(found(known)) == 1
	document := object.union(known, {"workload": {"engine": false}})
	found(document) == set()
	count(found(object.union(document, {"workload": {"annotations": {"stategate.io/stateful": "true"}}}))) == 1
}

test_crash_dumps_pass if found(request([], [mount("data", "hostPath", "/var/lib/ceph/crash")])) == set()

test_what_belongs_to_the_node_passes if {
	document := request([], [mount("data", "hostPath", "/csi")])
	sockets := [host_volume(0, "data", "/var/lib/csi/x")]
	found(object.union(document, {"workload": object.union(document.workload, {"volumes": sockets})})) == set()
}

test_directory_that_must_be_there_is_not_made if {
	document := request([], [mount("data", "hostPath", "/srv")])
	must_be := [object.union(host_volume(0, "data", "/mnt/pg"), {"host_path_type": "Directory"})]
	some v in found(object.union(document, {"workload": object.union(document.workload, {"volumes": must_be})}))
	contains(v.msg, "a pod that moves does not start, or starts with other files")
}

test_pods_of_one_node_do_not_move if {
	document := request([on("/var/lib/postgresql/data", "default", disk)], [disk])
	some v in found(object.union(document, {"workload": {"scheduling": {"hostnames": ["node-a"]}}}))
	contains(v.msg, "is in /mnt/pg of the node: when node node-a goes, so does it, and no quota counts it")
	some w in found(object.union(document, {"workload": {"scheduling": {"hostnames": ["node-a", "node-b"]}}}))
	contains(w.msg, "a pod that moves starts without it")
}
