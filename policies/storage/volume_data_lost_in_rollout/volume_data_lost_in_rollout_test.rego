package stategate.storage.volume_data_lost_in_rollout_test

import data.stategate.storage.volume_data_lost_in_rollout as policy

dir(rest) := object.union({"dir": "/data", "container": "db", "origin": "default"}, rest)

on(source) := {"mount": {"source": source, "read_only": false}}

workload(dirs) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"replicas": 1,
	"annotations": {},
	"engine": {"name": "postgres", "container": "db", "data_dirs": dirs, "volatile": false},
	"containers": [{"name": "db", "image": {"repository": "library/postgres"}, "env": []}],
	"pods": {"path": ["spec", "template"]},
	"update": {"type": "RollingUpdate"},
}

update(old, new) := {
	"workload": workload(new),
	"old_workload": workload(old),
	"review": {
		"object": {"spec": {"template": {"image": "postgres:17.6"}}},
		"oldObject": {"spec": {"template": {"image": "postgres:17.5"}}},
	},
}

found(document) := violations if violations := policy.violation with input as document

scratch := [dir(on("emptyDir"))]

test_new_image_of_a_store_on_scratch_space_fails if {
	some v in found(update(scratch, scratch))
	v.msg == "this rollout loses the data of pg: it is in an emptyDir of the pods that are replaced"
	v.path == ["spec", "template", "spec"]
	startswith(v.fix, "Save the data now (stop the clients, then kubectl exec -n shop statefulset/pg")
	contains(v.fix, "apply this, and load the dump")
}

test_so_does_one_in_its_container_or_in_memory if {
	some v in found(update([dir({})], [dir({})]))
	contains(v.msg, "it is in the file system of the pods")
	memory := {"old_workload": {"engine": {"volatile": true}}}
	some w in found(object.union(update([], []), memory))
	contains(w.msg, "it is in the memory of the pods")
}

test_data_on_a_claim_passes if found(update([dir(on("volumeClaimTemplate"))], [dir(on("volumeClaimTemplate"))])) == set()

test_data_that_moves_to_a_claim_is_the_fault_of_another_policy if {
	found(update(scratch, [dir(on("volumeClaimTemplate"))])) == set()
}

test_no_rollout_loses_nothing if {
	same := update(scratch, scratch)
	found(object.union(same, {"review": {"oldObject": {"spec": {"template": {"image": "postgres:17.6"}}}}})) == set()
	found(object.union(same, {"workload": {"replicas": 0}})) == set()
	found(object.union(same, {"old_workload": {"replicas": 0}})) == set()
	found(object.union(same, {"workload": {"update": {"type": "OnDelete"}}})) == set()
	found(object.union(same, {"workload": {"update": {"partition": 1}}})) == set()
	found(object.union(same, {"review": {"object": {"spec": {"paused": true}}}})) == set()
}

test_replicas_may_copy_it if {
	found(object.union(update(scratch, scratch), {"old_workload": {"replicas": 3}, "workload": {"replicas": 3}})) == set()
}

app(volume, mount) := {
	"kind": "Deployment",
	"name": "wiki",
	"containers": [{
		"name": "wiki",
		"role": "main",
		"image": {"repository": "shop/wiki"},
		"mounts": [object.union({"mount_path": "/config", "volume": "files", "source": "persistentVolumeClaim", "read_only": false, "path": ["m"]}, mount)],
	}],
	"volumes": [object.union({"name": "files", "source": "persistentVolumeClaim"}, volume)],
	"update": {"type": "Recreate"},
}

changed(old, new, mount) := object.union(
	{"workload": app(new, mount), "old_workload": app(old, mount)},
	{"review": {"object": {"spec": {"template": new}}, "oldObject": {"spec": {"template": old}}}},
)

test_another_claim_may_be_empty if {
	some v in found(changed({"claim": "wiki"}, {"claim": "wiki-fast"}, {}))
	v.msg == concat(" ", [
		"container wiki finds claim wiki-fast at /config instead of claim wiki:",
		"if nothing is there, it starts without its files",
	])
	v.path == ["m"]
	startswith(v.fix, "Keep claim wiki; or stop the pods, copy its files there")
}

test_another_part_of_a_claim_may_be_empty if {
	document := changed({"claim": "wiki"}, {"claim": "wiki", "x": 1}, {})
	mounts := [object.union(mount, {"sub_path": "v2"}) | some mount in document.workload.containers[0].mounts]
	container := object.union(document.workload.containers[0], {"mounts": mounts})
	some v in found(object.union(document, {"workload": {"containers": [container]}}))
	startswith(v.msg, "container wiki finds claim wiki with subPath v2 at /config instead of claim wiki: if nothing")
	of_pod := [object.union(mount, {"sub_path": "$(POD)"}) | some mount in mounts]
	unknown := object.union(container, {"mounts": of_pod})
	found(object.union(document, {"workload": {"containers": [unknown]}})) == set()
}

test_a_volume_of_the_pod_is_empty if {
	document := changed({"claim": "wiki"}, {"source": "emptyDir"}, {})
	some v in found(document)
	v.msg == "container wiki finds emptyDir volume files at /config instead of claim wiki: it starts without its files"
	v.fix == "Keep claim wiki: it has the files"
}

test_a_claim_may_be_named_that_a_template_made if {
	found(changed({"source": "volumeClaimTemplate", "claim": "files"}, {"claim": "files-wiki-0"}, {})) == set()
}

test_the_same_claim_passes if {
	found(changed({"claim": "wiki", "x": 1}, {"claim": "wiki", "x": 2}, {})) == set()
	found(changed({"claim": "wiki"}, {"claim": "wiki-fast"}, {"read_only": true})) == set()
	found(changed({"claim": "wiki"}, {"claim": "wiki-fast"}, {"mount_path": "/cache"})) == set()
	found(changed({"source": "emptyDir"}, {"claim": "wiki"}, {})) == set()
	found(changed({"claim": "wiki"}, {"source": "nfs"}, {})) == set()
}

deletion(dirs, options) := {
	"old_workload": workload(dirs),
	"review": {"operation": "DELETE", "options": options},
}

test_deletion_takes_what_is_in_the_pods if {
	some v in found(deletion(scratch, {}))
	v.msg == "deleting StatefulSet pg loses its data, which is in an emptyDir of its pods"
	startswith(v.fix, "Nothing brings it back once the pods are gone. If one still runs, copy its data directory out now")
	found(object.union(deletion(scratch, {}), {"old_workload": {"engine": {"evicts": true}}})) == set()
	found(deletion(scratch, {"propagationPolicy": "Orphan"})) == set()
	found(deletion([dir(on("persistentVolumeClaim"))], {})) == set()
	found(object.union(deletion(scratch, {}), {"old_workload": {"replicas": 0}})) == set()
}

test_a_directory_of_the_node_or_of_a_server_may_be_empty if {
	some node in found(changed({"claim": "wiki"}, {"source": "hostPath", "host_path": "/srv/wiki"}, {}))
	contains(node.msg, "finds hostPath /srv/wiki at /config instead of claim wiki: if nothing is there")
	some server in found(changed({"claim": "wiki"}, {"source": "nfs", "nfs_server": "nas"}, {}))
	contains(server.msg, "finds nfs server nas at /config instead of claim wiki: if nothing is there")
}

test_a_template_of_another_name_is_the_fault_of_another_policy if {
	found(changed({"source": "volumeClaimTemplate", "claim": "a"}, {"source": "volumeClaimTemplate", "claim": "b"}, {})) == set()
	part := {"source": "volumeClaimTemplate", "claim": "a"}
	document := changed(part, object.union(part, {"x": 1}), {})
	mounts := [object.union(mount, {"sub_path": "v2"}) | some mount in document.workload.containers[0].mounts]
	container := object.union(document.workload.containers[0], {"mounts": mounts})
	count(found(object.union(document, {"workload": {"containers": [container]}}))) == 1
}

test_a_claim_may_go_without_anything_in_its_place if {
	document := changed({"claim": "wiki"}, {"claim": "wiki", "x": 1}, {})
	bare := object.union(document.workload.containers[0], {"mounts": [], "path": ["c"]})
	dropped := {"workload": {"containers": [bare], "volumes": []}}
	count(found(object.union(document, dropped))) == 1
	some v in found(object.union(document, dropped))
	v.msg == "container wiki no longer mounts claim wiki at /config: what it writes there from now on goes with it"
	startswith(v.fix, "Keep claim wiki: it has the files.")
	# It is there, and volume-not-mounted tells of it.
	found(object.union(document, {"workload": {"containers": [bare]}})) == set()
}

test_rollout_of_a_redis_that_is_called_a_cache_passes if {
	redis := {
		"name": "redis-cache",
		"engine": {"name": "redis"},
		"containers": [{"name": "db", "engine": "redis", "image": {"repository": "library/redis"}, "env": [], "command": [], "args": []}],
	}
	document := object.union(update(scratch, scratch), {"workload": redis, "old_workload": redis})
	found(object.union(document, {"parameters": {"cache_names": ["*-cache"]}})) == set()
	count(found(object.union(document, {"parameters": {"cache_names": []}}))) == 1
	log := [object.union(container, {"args": ["--appendonly", "yes"]}) | some container in redis.containers]
	with_log := object.union(document, {"old_workload": {"containers": log}})
	count(found(object.union(with_log, {"parameters": {"cache_names": ["*-cache"]}}))) == 1
}
