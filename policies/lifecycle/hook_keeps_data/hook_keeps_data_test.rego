package stategate.lifecycle.hook_keeps_data_test

import data.stategate.lifecycle.hook_keeps_data as policy

dir(path, source) := {
	"dir": path,
	"container": "db",
	"origin": "argument",
	"mount": {"source": source, "mount_path": path, "volume": "data"},
}

view(dirs, role) := {
	"kind": "StatefulSet",
	"name": "files",
	"engine": {"name": "minio", "container": "db", "data_dirs": dirs},
	"containers": [{
		"name": "db",
		"role": role,
		"engine": "minio",
		"image": {"repository": "minio/minio"},
		"env": [{"name": "DIR", "value": "/storage"}, {"name": "SECRET", "from": "secretKeyRef"}],
		"path": ["spec", "containers", 0],
	}],
}

request(view_of, hook, command) := {
	"workload": view_of,
	"review": {"object": {"spec": {"containers": [{"lifecycle": {hook: {"exec": {"command": command}}}}]}}},
}

found(document) := violations if violations := policy.violation with input as document

on_claim := view([dir("/storage", "volumeClaimTemplate")], "main")

script(text) := found(request(on_claim, "preStop", ["/bin/sh", "-c", text]))

test_removing_the_data_fails if {
	some v in script("rm -rf /storage/default")
	v.msg == concat("", [
		"preStop of container db removes /storage/default: ",
		"every update, drain or eviction of a pod deletes its data",
	])
	v.path == ["spec", "containers", 0, "lifecycle", "preStop"]
	startswith(v.fix, "If it runs, save its data first (mc mirror")
	some w in found(request(on_claim, "postStart", ["rm", "-r", "/storage"]))
	w.fix == "Take the command out of the hook before a pod starts again"
	every text in [
		"rm -rf /storage",
		"rm -rf /storage/*",
		"sleep 5; /bin/rm -fr \"/storage/\"",
		"sleep 5 && rm --recursive /",
		"rm -r -f ${DIR}/*",
		"find /storage -mindepth 1 -delete",
		"find /storage ! -name lost+found -delete",
		"# clean up\nrm -rf \\\n  /storage/default",
	] {
		count(script(text)) == 1
	}
}

test_what_is_no_data_may_go if {
	every text in [
		"rm -rf /storage/lost+found",
		"rm -rf /storage/.minio.sys/tmp",
		"rm -f /storage/postmaster.pid",
		"rm -rf /storage/a*",
		"rm -rf /storage2 /tmp/x",
		"rm -rf $SECRET/*",
		"rm -rf /storage/$SECRET",
		"find /storage -name '*.tmp' -delete",
		"find /storage -mtime +7 -delete",
		"find /storage -type f",
		"find . -delete",
		"echo rm -rf /storage",
		"# rm -rf /storage",
		"",
	] {
		script(text) == set()
	}
}

ten := ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]

test_a_script_that_decides_is_not_judged if {
	script("if [ -e /storage/reset ]; then rm -rf /storage; fi") == set()
	script("mc ready || rm -rf /storage") == set()
	script("etcdctl member remove $ID; rm -rf /storage/*") == set()
	script(concat(" ", [concat("", [letter | some _ in ten; some _ in ten; some _ in ten; some letter in ten]), "; rm -rf /storage"])) == set()
	found(request(on_claim, "preStop", ["/hooks/stop"])) == set()
	found(request(on_claim, "preStop", ["/bin/rm", "-rf", "/storage/*"])) == set()
}

test_what_is_not_kept_may_go if {
	stop := ["rm", "-rf", "/storage"]
	found(request(view([dir("/storage", "emptyDir")], "main"), "preStop", stop)) == set()
	found(request(view([object.union(dir("/storage", "hostPath"), {"origin": "guess"})], "main"), "preStop", stop)) == set()
	found(request(view([dir("/storage", "hostPath")], "init"), "preStop", stop)) == set()
	found({"workload": on_claim, "review": {"object": {}}}) == set()
}
