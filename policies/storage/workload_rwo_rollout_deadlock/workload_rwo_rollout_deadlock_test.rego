package stategate.storage.workload_rwo_rollout_deadlock_test

import data.stategate.storage.workload_rwo_rollout_deadlock as policy

workload(kind, replicas, read_only) := {
	"kind": kind,
	"name": "wiki",
	"replicas": replicas,
	"containers": [{"name": "wiki", "mounts": [{"volume": "data", "mount_path": "/srv", "read_only": read_only}]}],
	"volumes": [{"name": "data", "source": "persistentVolumeClaim", "claim": "uploads"}],
	"claims": [{"name": "uploads", "origin": "reference", "access_modes": []}],
	"update": {"type": "Recreate"},
}

request(view, modes) := {"workload": view, "related": {"pvcs": [{"name": "uploads", "access_modes": modes}]}}

rolling(view, surge) := object.union(view, {"update": {"type": "RollingUpdate", "surge_pods": surge}})

found(document) := violations if violations := policy.violation with input as document

once := ["ReadWriteOnce"]

test_one_pod_that_is_recreated_passes if found(request(workload("Deployment", 1, false), once)) == set()

test_rolling_update_fails if {
	some v in found(request(rolling(workload("Deployment", 1, false), 1), once))
	contains(v.msg, "a rollout of wiki starts a second pod while the first holds claim uploads (ReadWriteOnce)")
	v.path == ["spec", "strategy"]
	contains(v.fix, "type: Recreate")
}

test_rolling_update_without_surge_passes if {
	found(request(rolling(workload("Deployment", 1, false), 0), once)) == set()
}

test_second_replica_fails_once if {
	violations := found(request(rolling(workload("Deployment", 2, false), 1), ["ReadWriteOncePod"]))
	count(violations) == 1
	some v in violations
	contains(v.msg, "all pods of Deployment wiki share claim uploads (ReadWriteOncePod)")
	v.path == ["spec", "replicas"]
	contains(v.fix, "Set replicas: 1 and strategy")
}

test_other_kinds_are_told_their_own_fix if {
	some v in found(request(workload("StatefulSet", 3, false), once))
	contains(v.fix, "spec.volumeClaimTemplates")
	startswith(v.fix, "Set replicas: 1, unless its pods are members of one store")
	some w in found(request(object.remove(workload("DaemonSet", 0, false), ["replicas"]), once))
	contains(w.fix, "ReadWriteMany")
	w.path == ["spec", "template", "spec", "volumes"]
	some kind in ["ReplicaSet", "ReplicationController"]
	some x in found(request(workload(kind, 3, false), once))
	x.fix == "Set replicas: 1; more pods need (empty) claims of their own"
}

test_shared_claim_passes if {
	found(request(rolling(workload("Deployment", 3, false), 1), ["ReadWriteMany"])) == set()
	found(request(rolling(workload("Deployment", 3, false), 1), ["ReadWriteOnce", "ReadOnlyMany"])) == set()
}

test_read_only_passes if found(request(workload("Deployment", 3, true), once)) == set()

test_claim_that_is_not_known_says_nothing if {
	found({"workload": workload("Deployment", 3, false), "related": {"pvcs": []}}) == set()
	found(request(workload("Deployment", 3, false), [])) == set()
}

test_claims_of_each_replica_pass if {
	view := object.union(workload("StatefulSet", 3, false), {
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data"}],
		"claims": [{"name": "data", "origin": "template", "access_modes": once}],
	})
	found(request(view, once)) == set()
}

patched(document) := patches if patches := policy.patch with input as document

test_one_pod_is_recreated_in_files if {
	patched(request(rolling(workload("Deployment", 1, false), 1), once)) == {{
		"op": "add",
		"path": ["spec", "strategy"],
		"value": {"type": "Recreate", "rollingUpdate": null},
	}}
	patched(request(rolling(workload("Deployment", 1, false), 0), once)) == set()
	patched(request(rolling(workload("Deployment", 2, false), 1), once)) == set()
	patched(request(rolling(workload("Deployment", 1, false), 1), ["ReadWriteMany"])) == set()
}

test_claims_of_one_pod_are_one_finding if {
	view := object.union(rolling(workload("Deployment", 1, false), 1), {
		"containers": [{"name": "wiki", "mounts": [
			{"volume": "data", "mount_path": "/srv", "read_only": false},
			{"volume": "more", "mount_path": "/more", "read_only": false},
		]}],
		"volumes": [
			{"name": "data", "source": "persistentVolumeClaim", "claim": "uploads"},
			{"name": "more", "source": "persistentVolumeClaim", "claim": "indexes"},
		],
		"claims": [
			{"name": "uploads", "origin": "reference", "access_modes": []},
			{"name": "indexes", "origin": "reference", "access_modes": []},
		],
	})
	document := {"workload": view, "related": {"pvcs": [
		{"name": "uploads", "access_modes": once},
		{"name": "indexes", "access_modes": once},
	]}}
	violations := found(document)
	count(violations) == 1
	some v in violations
	contains(v.msg, "claim indexes (ReadWriteOnce) and claim uploads (ReadWriteOnce)")
}

test_the_old_pod_may_go_first if {
	view := object.union(workload("Deployment", 1, false), {"update": {"type": "RollingUpdate", "surge_pods": 1, "unavailable_pods": 1}})
	some v in found(request(view, once))
	endswith(v.msg, "on the same node both may write until the first has shut down")
	found(request(view, ["ReadWriteOncePod"])) == set()
}

test_another_workload_keeps_the_volume if {
	document := object.union(request(rolling(workload("Deployment", 1, false), 1), once), {"related": {"consumers": [
		{"claim": "uploads", "kind": "Deployment", "name": "web"},
		{"claim": "uploads", "kind": "Job", "name": "seed"},
	]}})
	some v in found(document)
	contains(v.fix, "; Deployment web mounts the claim, too, so keep both on one node")
	two := object.union(document, {"related": {"consumers": [
		{"claim": "uploads", "kind": "Deployment", "name": "web"},
		{"claim": "uploads", "kind": "Deployment", "name": "worker"},
	]}})
	some w in found(two)
	contains(w.fix, "; Deployment web and Deployment worker mount the claim, too, so keep all on one node")
}

test_claim_for_one_pod_admits_no_other_on_the_same_node if {
	document := request(rolling(workload("Deployment", 1, false), 1), ["ReadWriteOncePod"])
	some v in found(document)
	endswith(v.msg, "the second waits for the first, which is stopped only once the second is ready: it hangs")
	beside := {"claim": "uploads", "kind": "Deployment", "name": "indexer", "holds_data": false, "replicas": 1}
	some w in found(object.union(document, {"related": object.union(document.related, {"consumers": [beside]})}))
	endswith(w.fix, "; Deployment indexer mounts the claim, too: while one of them runs, the other waits")
	some many in found(request(workload("Deployment", 2, false), ["ReadWriteOncePod"]))
	endswith(many.msg, "while one of them uses it, the others wait for ever")
}

# One of three controllers elects none.
test_members_of_one_store_keep_their_number if {
	view := object.union(workload("StatefulSet", 3, false), {
		"engine": {"name": "kafka", "container": "wiki", "votes": true},
		"containers": [{
			"name": "wiki",
			"role": "main",
			"engine": "kafka",
			"image": {"repository": "platform/kafka"},
			"command": [],
			"args": [],
			"env": [],
			"mounts": [{"volume": "data", "mount_path": "/srv", "read_only": false}],
		}],
	})
	some v in found(request(view, once))
	startswith(v.fix, "Keep all 3 members: fewer may lack a majority, or data. If it runs, save the data first (MirrorMaker 2")
	contains(v.fix, "by spec.volumeClaimTemplates of a new StatefulSet, and mirror it back")
	cache := object.union(view, {"engine": {"name": "redis", "votes": false}, "containers": [object.union(view.containers[0], {
		"engine": "redis",
		"args": ["--cluster-enabled", "yes"],
	})]})
	some w in found(request(cache, once))
	startswith(w.fix, "Keep all 3 members")
	alone := object.union(view, {"engine": {"name": "redis", "votes": false}, "containers": [object.union(view.containers[0], {
		"engine": "redis",
		"image": {"repository": "library/redis"},
	})]})
	some y in found(request(alone, once))
	y.fix == "Set replicas: 1; claims for each pod, by spec.volumeClaimTemplates, are new and empty"
	some x in found(request(object.remove(object.union(view, {"kind": "DaemonSet"}), ["replicas"]), once))
	startswith(x.fix, "Keep all members")
}
