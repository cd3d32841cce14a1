package stategate.storage.volume_not_mounted_test

import data.stategate.storage.volume_not_mounted as policy

found(source, role) := violations if {
	violations := policy.violation with input as {"workload": {
		"kind": "StatefulSet",
		"name": "auth",
		"volumes": [
			{"name": "data", "source": source, "claim": "data", "path": ["spec", "volumeClaimTemplates", 0]},
			{"name": "tmp", "source": "emptyDir", "path": []},
		],
		"containers": [
			{"name": "auth", "role": "main", "mounts": [{"volume": "tmp"}]},
			{"name": "other", "role": role, "mounts": [{"volume": "data"}]},
		],
	}}
}

test_a_mounted_claim_passes if {
	every role in ["main", "sidecar"] {
		found("volumeClaimTemplate", role) == set()
		found("persistentVolumeClaim", role) == set()
	}
}

test_an_init_container_keeps_nothing if {
	some v in found("volumeClaimTemplate", "init")
	v.msg == "no container mounts the claim template data: nothing is kept in it"
	v.path == ["spec", "volumeClaimTemplates", 0]
}

test_an_init_container_may_read_a_claim if found("persistentVolumeClaim", "init") == set()

test_nobody_mounts_it if {
	some v in found("persistentVolumeClaim", "ephemeral")
	v.msg == "volume data names claim data, but no container mounts it"
	v.fix == "Mount it where a container needs it, or take volume data out: the claim stays"
}

test_what_an_operator_makes_passes if {
	violations := policy.violation with input as {"workload": {
		"owner": {"kind": "Cluster"},
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data", "path": []}],
		"containers": [],
	}}
	violations == set()
}

test_a_copy_may_be_read_first if {
	violations := policy.violation with input as {"workload": {
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data", "path": []}],
		"claims": [{"name": "data", "origin": "template", "data_source": {"kind": "VolumeSnapshot"}}],
		"containers": [],
	}}
	violations == set()
}

view(mounts) := {
	"kind": "StatefulSet",
	"name": "auth",
	"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data", "path": []}],
	"containers": [{"name": "auth", "role": "main", "mounts": mounts}],
}

test_what_was_mounted_until_now_is_mounted_again if {
	mount := {"volume": "data", "mount_path": "/data", "read_only": false}
	all := policy.violation with input as {"workload": view([]), "old_workload": view([mount])}
	some v in all
	v.msg == "no container mounts the claim template data any more: nothing is kept in it"
	v.fix == "Mount it at /data again: it has what was written there"
	by_name := {"volumes": [{"name": "data", "source": "persistentVolumeClaim", "claim": "data", "path": []}]}
	of_name := policy.violation with input as {
		"workload": object.union(view([]), by_name),
		"old_workload": object.union(view([mount]), by_name),
	}
	some w in of_name
	w.msg == "no container mounts claim data any more: what they wrote there is out of their reach"
}

test_what_another_workload_keeps_there_is_kept if {
	notifier := {"workload": {
		"kind": "Deployment",
		"name": "notifier",
		"volumes": [{"name": "files", "source": "persistentVolumeClaim", "claim": "files", "path": []}],
		"containers": [],
	}}
	alone := policy.violation with input as notifier
	count(alone) == 1
	shared := policy.violation with input as object.union(notifier, {"related": {"consumers": [{"claim": "files"}]}})
	shared == set()
}

test_what_data_was_on_it_is_told_elsewhere if {
	old := {"engine": {"name": "mongodb", "data_dirs": [{
		"dir": "/data/db", "container": "db", "origin": "default",
		"mount": {"volume": "data", "source": "volumeClaimTemplate", "mount_path": "/data/db", "read_only": false},
	}]}, "containers": [{"name": "db", "mounts": []}], "volumes": []}
	new := {
		"kind": "StatefulSet",
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data", "path": []}],
		"containers": [{"name": "db", "mounts": []}],
		"engine": {"name": "mongodb", "data_dirs": [{"dir": "/data/db", "container": "db", "origin": "default"}]},
	}
	unknown := policy.violation with input as {
		"workload": object.union(new, {"engine": {"data_dirs": []}}),
		"old_workload": old,
	}
	count(unknown) == 1
	told := policy.violation with input as {"workload": new, "old_workload": old}
	told == set()
}

test_a_claim_that_is_only_named_beside_another_passes if {
	reader := {"workload": {
		"kind": "Deployment",
		"name": "reader",
		"volumes": [
			{"name": "config", "source": "persistentVolumeClaim", "claim": "config", "path": []},
			{"name": "media", "source": "persistentVolumeClaim", "claim": "media", "path": []},
		],
		"containers": [{"name": "reader", "role": "main", "mounts": [
			{"volume": "config", "source": "persistentVolumeClaim", "mount_path": "/config", "read_only": false},
		]}],
	}}
	found_there := policy.violation with input as reader
	found_there == set()
}
