package stategate.storage.volume_no_ephemeral_claim_data_test

import data.stategate.storage.volume_no_ephemeral_claim_data as policy

mount(volume, source, path) := {"container": "mongo", "volume": volume, "source": source, "mount_path": path}

on(path, origin, held_by) := {"dir": path, "container": "mongo", "origin": origin, "mount": held_by}

request(kind, dirs, mounts) := {
	"workload": {
		"kind": kind,
		"engine": {"name": "mongodb", "container": "mongo", "data_dirs": dirs},
		"containers": [{"name": "mongo", "mounts": mounts}],
		"volumes": [{"name": name, "path": ["spec", "volumes", index]} | some index, name in ["data", "journal"]],
	},
	"parameters": {"scratch_path_globs": ["*/tmp"]},
}

found(document) := violations if violations := policy.violation with input as document

ephemeral := mount("data", "ephemeral", "/data/db")

kept := mount("claim", "volumeClaimTemplate", "/data/db")

test_claim_template_passes if found(request("StatefulSet", [on("/data/db", "default", kept)], [kept])) == set()

test_ephemeral_volume_fails if {
	some v in found(request("StatefulSet", [on("/data/db", "default", ephemeral)], [ephemeral]))
	v.msg == "data of container mongo at /data/db is in the ephemeral volume data: its claim is deleted with the pod"
	v.path == ["spec", "volumes", 0]
	contains(v.fix, "spec.volumeClaimTemplates")
}

test_data_that_was_on_a_claim_stays_there if {
	now := request("StatefulSet", [on("/data/db", "default", ephemeral)], [ephemeral])
	then := request("StatefulSet", [on("/data/db", "default", kept)], [kept])
	update := object.union(now, {"old_workload": then.workload, "review": {"operation": "UPDATE"}})
	some v in found(update)
	contains(v.fix, "again: the data is in it")
	not contains(v.fix, "save its data first")
}

test_pod_is_told_its_own_fix if {
	some v in found(request("Pod", [on("/data/db", "default", ephemeral)], [ephemeral]))
	contains(v.fix, "by a persistentVolumeClaim")
}

test_part_of_the_data_fails if {
	journal := mount("journal", "ephemeral", "/data/db/journal")
	some v in found(request("StatefulSet", [on("/data/db", "default", kept)], [kept, journal]))
	contains(v.msg, "/data/db/journal")
}

test_scratch_below_the_data_passes if {
	tmp := mount("journal", "ephemeral", "/data/db/tmp")
	found(request("StatefulSet", [on("/data/db", "default", kept)], [kept, tmp])) == set()
}

test_scratch_beside_the_data_passes if {
	tmp := mount("journal", "ephemeral", "/scratch")
	found(request("StatefulSet", [on("/data/db", "default", kept)], [kept, tmp])) == set()
}

test_other_sources_are_the_fault_of_other_policies if {
	every source in ["emptyDir", "hostPath"] {
		other := mount("data", source, "/data/db")
		found(request("StatefulSet", [on("/data/db", "default", other)], [other])) == set()
	}
}

test_no_engine_passes if found({"workload": {"kind": "StatefulSet", "containers": [], "volumes": []}}) == set()
