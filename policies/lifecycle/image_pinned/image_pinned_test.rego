package stategate.lifecycle.image_pinned_test

import data.stategate.lifecycle.image_pinned as policy

container(overrides) := object.union(
	{
		"name": "db",
		"role": "main",
		"image_name": "postgres:x",
		"image": {"repository": "library/postgres", "tag": "x", "digest": ""},
		"path": ["spec", "template", "spec", "containers", 0],
		"mounts": [{"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "read_only": false}],
	},
	overrides,
)

tagged(tag) := container({"image_name": sprintf("postgres:%s", [tag]), "image": {"tag": tag, "digest": ""}})

defaults := {
	"floating_tags": ["latest-*", "*-latest", "lts-*", "alpine*"],
	"allow_major_only": false,
	"require_digest": false,
	"exclude_containers": ["istio-proxy", "*exporter"],
}

request(containers, parameters) := {
	"workload": {"containers": containers, "engine": {"name": "postgres"}},
	"parameters": object.union(defaults, parameters),
}

found(containers) := told(containers, {})

told(containers, parameters) := violations if {
	violations := policy.violation with input as request(containers, parameters)
}

test_releases_pass if {
	every tag in [
		"16.4", "16.4-alpine", "v3.5.17", "7.0.14-jammy", "8.0.36-debian-12-r5", "24.3", "2.17.2-pg16",
		"20240601", "RELEASE.2024-01-16T16-07-38Z", "main-3f2a1bc", "3f2a1bc",
	] {
		found([tagged(tag)]) == set()
	}
}

test_no_tag_fails if {
	some v in found([container({"image_name": "postgres", "image": {"tag": "", "digest": ""}})])
	contains(v.msg, "image postgres of container db has no tag")
	v.path == ["spec", "template", "spec", "containers", 0, "image"]
}

test_what_keeps_nothing_passes if {
	scratch := container({"image": {"tag": "latest", "digest": ""}, "mounts": [{
		"mount_path": "/data", "volume": "data", "source": "emptyDir", "read_only": false,
	}]})
	found([scratch]) == set()
	count(told([scratch], {"require_digest": true})) == 1
}

test_names_that_move_fail if {
	every tag in ["latest", "stable", "lts", "main", "alpine", "management", "latest-alpine3.20", "2022-latest", "alpine3.20", "lts-jammy"] {
		some v in found([tagged(tag)])
		contains(v.msg, "names no release")
	}
}

test_major_alone_fails if {
	every tag in ["16", "16-alpine", "v3", "pg16", "16-3.4", "16-alpine3.20"] {
		some v in found([tagged(tag)])
		contains(v.msg, "names only a major version")
		told([tagged(tag)], {"allow_major_only": true}) == set()
	}
}

app(overrides, object_written) := object.union(
	request([object.union(container({"name": "app", "engine": "", "image_name": "shop:latest", "image": {
		"repository": "acme/shop",
		"tag": "latest",
		"digest": "",
	}}), overrides)], {}),
	{"review": {"object": object_written}},
)

triggered(text) := object.union(app({}, {}), {"workload": {"annotations": {"image.openshift.io/triggers": text}}})

trigger(path, paused) := json.marshal([{"from": {"name": "shop:prod"}, "fieldPath": path, "paused": paused}])

test_image_that_openshift_writes_is_told_of_its_trigger if {
	every path in [
		"spec.template.spec.containers[?(@.name==\"app\")].image",
		"spec.template.spec.containers[?(@.name=='app')].image",
	] {
		some v in policy.violation with input as triggered(trigger(path, false))
		endswith(v.msg, "names no release: OpenShift rolls out each new image of shop:prod on the data")
		startswith(v.fix, "Let builds and imports write another tag than shop:prod,")
		some w in policy.violation with input as triggered(trigger(path, "true"))
		contains(w.fix, "@sha256:<digest>")
	}
	every text in ["{", "[]", trigger("spec.template.spec.containers[?(@.name==\"db\")].image", false)] {
		some v in policy.violation with input as triggered(text)
		endswith(v.msg, "a restart may run another version on the data")
	}
}

test_files_that_any_version_reads_pass if {
	every repository in ["kubeflownotebookswg/jupyter", "jupyter/base-notebook", "codercom/code-server"] {
		document := app({"image": {"repository": repository, "tag": "latest", "digest": ""}}, {})
		violations := policy.violation with input as document
		violations == set()
	}
	major := {"image": {"repository": "library/registry", "tag": "2", "digest": ""}}
	none := policy.violation with input as app(major, {})
	none == set()
	every repository in ["library/registry", "jupyterhub/jupyterhub", "acme/shop"] {
		document := app({"image": {"repository": repository, "tag": "latest", "digest": ""}}, {})
		violations := policy.violation with input as document
		count(violations) == 1
	}
}

test_image_on_the_nodes_passes if {
	written := {"containers": [{"name": "app", "imagePullPolicy": "Never"}]}
	document := app({"path": ["containers", 0]}, written)
	violations := policy.violation with input as document
	violations == set()
	strict := policy.violation with input as object.union(document, {"parameters": {"require_digest": true}})
	count(strict) == 1
}

test_builds_pass if {
	every tag in [
		"pg16-ts2.17.2-p1", "16-r4", "17-b12", "16-20240901", "16-202410171037-standard-bookworm", "16-9f3c1de",
		"16-v0.13.2", "pg17-ts2.20.1", "12-2019-11-26",
	] {
		found([tagged(tag)]) == set()
	}
}

test_words_that_name_no_build_fail if {
	every tag in ["16-debian-12", "17-3.5-alpine", "16-alpine3.20.3", "7-jammy", "16-22.04_stable", "16-deadbee"] {
		count(found([tagged(tag)])) == 1
	}
}

test_release_of_a_red_hat_image_passes if {
	image := {"repository": "rhel9/postgresql-16", "tag": "1-37", "digest": ""}
	found([container({"image": image})]) == set()
	count(found([container({"image": object.union(image, {"repository": "shop/postgresql"})})])) == 1
}

digest := "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

test_digest_passes_whatever_the_tag if {
	every tag in ["", "latest", "16"] {
		told([container({"image": {"tag": tag, "digest": digest}})], {"require_digest": true}) == set()
	}
}

test_digest_may_be_asked_for if {
	some v in told([tagged("16.4")], {"require_digest": true})
	contains(v.msg, "has no digest")
}

test_one_fault_is_named_once if {
	count(told([tagged("latest")], {"require_digest": true})) == 1
}

test_workload_that_keeps_nothing_passes if {
	containers := [object.union(tagged("latest"), {"mounts": []})]
	policy.violation == set() with input as {"workload": {"containers": containers}, "parameters": defaults}
}

test_helpers_pass if {
	every name in ["istio-proxy", "postgres-exporter"] {
		found([object.union(tagged("latest"), {"name": name})]) == set()
	}
	every role in ["init", "sidecar"] {
		found([object.union(tagged("latest"), {"role": role})]) == set()
	}
}

# No image yet, or one that cannot be pulled: not covered by this policy.
test_image_that_is_none_passes if found([object.remove(container({}), ["image"])]) == set()

test_fix_is_for_this_image if {
	some v in found([tagged("latest")])
	contains(v.fix, "runs now (kubectl get pod -o yaml: imageID), postgres:<major>.<minor>, or its digest, postgres:latest@sha256:")
}

test_fix_of_an_image_without_tag if {
	some v in found([container({"image_name": "mongo", "image": {"tag": "", "digest": ""}})])
	contains(v.fix, "imageID), mongo:<major>.<minor>,")
}

test_fix_where_no_tag_names_a_minor_version if {
	image := {"repository": "docker.io/postgis/postgis", "tag": "latest", "digest": ""}
	some v in found([container({"image_name": "postgis/postgis:latest", "image": image})])
	v.fix == "Add the digest that runs now (imageID): postgis/postgis:latest@sha256:<digest>; its tags name no minor version"
}

test_fix_of_a_release_without_digest if {
	some v in told([tagged("16.4")], {"require_digest": true})
	v.fix == "Add the digest that runs now (imageID): postgres:16.4@sha256:<digest>"
}

# It runs on the data of nobody.
test_helper_beside_a_store_passes if {
	store := object.union(tagged("16.4"), {"engine": "postgres"})
	helper := object.union(tagged("16"), {"name": "dump", "engine": ""})
	found([store, helper]) == set()
	count(found([object.union(store, tagged("16")), helper])) == 1
}

own(engine, repository, tag) := container({
	"engine": engine,
	"image_name": sprintf("%s:%s", [repository, tag]),
	"image": {"repository": repository, "tag": tag, "digest": ""},
})

test_own_builds_pass if {
	found([own("cassandra", "google-samples/cassandra", "v14")]) == set()
	found([own("redis", "kubernetes/redis", "v1")]) == set()
	found([own("postgres", "shop/postgres", "2")]) == set()
}

test_numbers_that_may_be_the_stores_fail if {
	count(found([own("postgres", "mirror/postgres", "16")])) == 1
	count(found([own("cassandra", "library/cassandra", "v14")])) == 1
	count(found([own("etcd", "shop/etcd", "v3")])) == 1
	count(found([own("postgres", "mirror/postgres", "16-alpine")])) == 1
	count(found([own("", "shop/app", "v1")])) == 1
}

test_minio_counts_by_date if {
	some v in found([own("minio", "minio/minio", "latest")])
	contains(v.fix, "minio/minio:RELEASE.<date>, or its digest, minio/minio:latest@sha256:<digest>")
}

test_fix_keeps_the_flavour if {
	every tag, release in {
		"16-alpine": "16.<minor>-alpine",
		"pg16": "pg16.<minor>",
		"7": "7.<minor>",
		"alpine3.20": "<major>.<minor>-alpine3.20",
		"management": "<major>.<minor>-management",
		"latest-pg16": "<major>.<minor>-pg16",
		"2022-latest": "<major>.<minor>",
	} {
		some v in found([tagged(tag)])
		contains(v.fix, sprintf("imageID), postgres:%s, or its digest", [release]))
	}
}

test_etcd_names_its_patches if {
	some v in found([own("etcd", "coreos/etcd", "latest")])
	contains(v.fix, "coreos/etcd:v3.<minor>.<patch>, or")
	some x in found([own("etcd", "etcd", "latest")])
	contains(x.fix, "etcd:3.<minor>.<patch>-<revision>, or")
}

test_no_tag_is_made_up if {
	every row in [
		["cockroach", "cockroachdb/cockroach", "latest-v24.2"],
		["mssql", "mssql/server", "2022-latest"],
		["postgres", "bitnami/postgresql", "16"],
		["etcd", "bitnami/etcd", "latest"],
	] {
		some v in found([own(row[0], row[1], row[2])])
		startswith(v.fix, "Append the digest that runs now, @sha256:<digest> (kubectl get pod -o yaml: imageID), or name its release")
	}
	some v in found([own("postgres", "immich-app/postgres", "14-vectorchord0.3.0-pgvectors0.2.0")])
	contains(v.fix, "its tags name no minor version")
	some w in found([own("redis", "valkey/valkey", "8-alpine")])
	contains(w.fix, "valkey/valkey:8.<minor>-alpine, or its digest")
}

test_release_of_keydb_passes if {
	found([own("redis", "eqalpha/keydb", "alpine_x86_64_v6.3.4")]) == set()
	count(found([own("redis", "eqalpha/keydb", "alpine")])) == 1
}

test_dumpers_run_no_server if {
	found([own("", "prodrigestivill/postgres-backup-local", "16")]) == set()
	count(found([own("", "shop/postgres-backup-local", "16")])) == 1
}
