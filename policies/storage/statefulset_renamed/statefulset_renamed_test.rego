package stategate.storage.statefulset_renamed_test

import data.stategate.storage.statefulset_renamed as policy

statefulset(name, template, engine) := {
	"kind": "StatefulSet",
	"name": name,
	"namespace": "shop",
	"claims": [{"name": template, "origin": "template"}, {"name": "backups", "origin": "reference"}],
	"engine": {"name": engine},
	"containers": [],
}

request(new, departed) := {"workload": new, "related": {"departed": departed}}

tsdb := statefulset("tsdb", "data", "postgres")

found(document) := violations if violations := policy.violation with input as document

test_another_name_fails if {
	some v in found(request(tsdb, [statefulset("tsdb-timescale", "data", "postgres")]))
	contains(v.msg, "StatefulSet shop/tsdb-timescale is gone and tsdb is new")
	contains(v.msg, "empty claims (shop/data-tsdb-0), and the data stays in shop/data-tsdb-timescale-0")
}

test_another_namespace_fails if {
	some v in found(request(tsdb, [object.union(tsdb, {"namespace": "prod"})]))
	startswith(v.fix, "Keep the namespace; or dump the data first")
	some w in found(request(tsdb, [statefulset("a", "data", "postgres")]))
	startswith(w.fix, "Keep the name (in a chart: fullnameOverride); or")
}

test_of_several_all_are_named_once if {
	some v in found(request(tsdb, [statefulset("a", "data", "postgres"), statefulset("b", "data", "postgres")]))
	contains(v.msg, "shop/a or shop/b")
	contains(v.msg, "shop/data-a-0 or shop/data-b-0")
}

test_another_store_passes if {
	found(request(tsdb, [statefulset("cart", "data", "redis")])) == set()
	found(request(tsdb, [statefulset("cart", "pgdata", "postgres")])) == set()
	found(request(tsdb, [])) == set()
}

unknown(name, repository) := object.union(object.remove(statefulset(name, "data", ""), ["engine"]), {"containers": [{
	"role": "main",
	"image": {"registry": "docker.io", "repository": repository},
}]})

test_what_is_no_known_store_is_compared_by_its_images if {
	count(found(request(unknown("b", "shop/app"), [unknown("a", "shop/app")]))) == 1
	found(request(unknown("b", "shop/app"), [unknown("a", "shop/other")])) == set()
}

test_claims_that_are_there_pass if {
	document := request(tsdb, [statefulset("tsdb-timescale", "data", "postgres")])
	found(object.union(document, {"related": {"pvcs": [{"name": "data-tsdb-0", "template": "data"}]}})) == set()
}

test_claims_made_of_a_snapshot_pass if {
	restored := {"name": "data", "origin": "template", "data_source": {"kind": "VolumeSnapshot", "name": "before"}}
	new := object.union(tsdb, {"claims": [restored]})
	found(request(new, [statefulset("tsdb-timescale", "data", "postgres")])) == set()
}

deployment(engine, claim) := {
	"kind": "Deployment",
	"name": "tsdb",
	"namespace": "shop",
	"claims": [{"name": claim, "origin": "reference"}, {"name": "scripts", "origin": "reference"}],
	"volumes": [
		{"name": "data", "source": "persistentVolumeClaim", "claim": claim},
		{"name": "scripts", "source": "persistentVolumeClaim", "claim": "scripts"},
	],
	"engine": {"name": engine, "data_dirs": [{"dir": "/data", "mount": {"volume": "data"}}]},
	"containers": [],
}

test_a_deployment_that_becomes_a_stateful_set_fails if {
	some v in found(request(tsdb, [deployment("postgres", "tsdb-pvc")]))
	contains(v.msg, "Deployment shop/tsdb is gone and StatefulSet tsdb is new: it starts empty")
	contains(v.msg, "the data stays in claim tsdb-pvc")
	contains(v.fix, "Name claim tsdb-pvc in its volumes (with one replica)")
	contains(v.fix, "dump the data first (pg_dumpall as a superuser")
	contains(v.fix, "), and afterwards load the dump")
}

test_a_stateful_set_that_becomes_a_deployment_fails if {
	gone := object.union(tsdb, {
		"volumes": [{"name": "data", "source": "volumeClaimTemplate", "claim": "data"}],
		"engine": {"data_dirs": [{"dir": "/data", "mount": {"volume": "data"}}]},
	})
	some v in found(request(deployment("postgres", "tsdb-pvc"), [gone]))
	contains(v.msg, "StatefulSet shop/tsdb is gone and Deployment tsdb is new: it starts empty")
	contains(v.msg, "the data stays in claim data-tsdb-0")
	found(request(deployment("postgres", "data-tsdb-0"), [gone])) == set()
	found(request(deployment("postgres", "tsdb-pvc"), [deployment("postgres", "tsdb-pvc")])) == set()
}

test_claims_of_one_stateful_set_are_one_finding if {
	wal := {"claims": [{"name": "data", "origin": "template"}, {"name": "wal", "origin": "template"}]}
	violations := found(request(object.union(tsdb, wal), [object.union(statefulset("a", "data", "postgres"), wal)]))
	count(violations) == 1
	some v in violations
	contains(v.msg, "the data stays in shop/data-a-0 and shop/wal-a-0")
}

test_a_deployment_whose_claim_is_named_passes if {
	# `statefulset` names this claim.
	found(request(tsdb, [deployment("postgres", "backups")])) == set()
	found(request(tsdb, [deployment("redis", "tsdb-pvc")])) == set()
	copied := object.union(tsdb, {"claims": [{"name": "data", "origin": "template", "data_source": {"kind": "PersistentVolumeClaim"}}]})
	found(request(copied, [deployment("postgres", "tsdb-pvc")])) == set()
}
