package stategate.storage.volume_data_dropped_test

import data.stategate.storage.volume_data_dropped as policy

dir(origin, mount) := object.union({"dir": "/var/lib/postgresql/data", "container": "postgres", "origin": origin}, mount)

at(source) := {"mount": {"volume": "data", "source": source, "read_only": false, "path": ["m"]}}

workload(dirs) := {
	"kind": "StatefulSet",
	"name": "pg",
	"namespace": "shop",
	"replicas": 1,
	"annotations": {},
	"confirmed_at": {},
	"engine": {"name": "postgres", "container": "postgres", "data_dirs": dirs},
	"containers": [{"name": "postgres", "image": {"repository": "library/postgres"}, "env": []}],
}

update(old, new) := {
	"workload": workload(new),
	"old_workload": workload(old),
	"now": "2026-11-29T02:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

claim := [dir("default", at("volumeClaimTemplate"))]

test_emptydir_replaced_by_a_claim_fails if {
	some v in found(update([dir("default", at("emptyDir"))], claim))
	v.msg == concat("", [
		"this rollout loses the running data of pg: it is in an emptyDir of the pods that are replaced, ",
		"and nobody has confirmed it",
	])
	v.path == ["m"]
	startswith(v.fix, "Save the data now (stop the clients, then kubectl exec -n shop statefulset/pg -c postgres -- pg_dumpall")
	contains(v.fix, "kubectl annotate statefulset pg -n shop --overwrite stategate.io/confirm-data-move='emptyDir->data'")
}

test_container_and_ephemeral_volume_are_the_same if {
	some v in found(update([dir("default", {})], claim))
	contains(v.msg, "the file system")
	some w in found(update([dir("argument", at("ephemeral"))], claim))
	contains(w.msg, "an ephemeral volume")
}

test_confirmed_passes if {
	confirmed := {"workload": {"annotations": {"stategate.io/confirm-data-move": "emptyDir->data"}}}
	found(object.union(update([dir("default", at("emptyDir"))], claim), confirmed)) == set()
}

test_claim_before_passes if {
	found(update(claim, claim)) == set()
	found(update([dir("default", {}), dir("default", at("persistentVolumeClaim"))], claim)) == set()
}

log(mount) := object.union(dir("also", mount), {"dir": "/datalog"})

test_another_directory_that_lasted_passes if {
	both := array.concat(claim, [log({})])
	found(update(both, both)) == set()
	some v in found(update(both, array.concat(claim, [log(at("volumeClaimTemplate"))])))
	contains(v.msg, "the file system")
}

test_uncertain_place_passes if found(update([dir("script", at("emptyDir"))], claim)) == set()

with_template(document, was, now) := object.union(document, {
	"workload": {"containers": [{"name": "postgres", "path": ["c"]}]},
	"review": {
		"object": {"spec": {"template": {"image": now}}},
		"oldObject": {"spec": {"template": {"image": was}}},
	},
})

still := update([dir("default", at("emptyDir"))], [dir("default", at("emptyDir"))])

test_data_that_stays_in_its_pods_passes if found(with_template(still, "postgres:17.5", "postgres:17.6")) == set()

test_other_replicas_may_have_copies if {
	three := {"workload": {"replicas": 3}, "old_workload": {"replicas": 3}}
	some v in found(object.union(update([dir("default", at("emptyDir"))], claim), three))
	contains(v.msg, "pg (unless other replicas copy it to the new pods): it is in an emptyDir")
}

test_stopped_store_passes if {
	stopped := {"old_workload": {"replicas": 0}}
	found(object.union(update([dir("default", at("emptyDir"))], claim), stopped)) == set()
}

test_what_was_declared_a_cache_may_go if {
	found(object.union(update([dir("default", at("emptyDir"))], claim), {"old_workload": {"class": "cache"}})) == set()
}
