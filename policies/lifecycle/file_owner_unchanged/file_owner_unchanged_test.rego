package stategate.lifecycle.file_owner_unchanged_test

import data.stategate.lifecycle.file_owner_unchanged as policy

mount := {"volume": "data", "mount_path": "/data", "source": "volumeClaimTemplate", "read_only": false}

view(engine, repository, tag, extra) := {
	"kind": "StatefulSet",
	"containers": array.concat([object.union(
		{
			"name": "db",
			"role": "main",
			"engine": engine,
			"image": {"registry": "docker.io", "repository": repository, "tag": tag},
			"command": [],
			"args": [],
			"mounts": [mount],
			"path": ["spec", "template", "spec", "containers", 0],
		},
		object.get(extra, "container", {}),
	)], object.get(extra, "init", [])),
	"volumes": [{"name": "data", "claim": "data"}],
	"claims": [{"name": "data", "access_modes": object.get(extra, "modes", ["ReadWriteOnce"])}],
	"engine": {"name": engine, "container": "db"},
	"pods": {"spec_path": ["spec", "template", "spec"]},
}

object_with(security) := {"spec": {"template": {"spec": {"securityContext": security}}}}

found(old, new) := found_in("", "acme/store", "1", "1", old, new, {})

found_in(engine, repository, old_tag, new_tag, old, new, extra) := violations if {
	violations := policy.violation with input as {
		"old_workload": view(engine, repository, old_tag, {}),
		"workload": view(engine, repository, new_tag, extra),
		"review": {"object": object_with(new), "oldObject": object_with(old)},
	}
}

test_another_user_without_a_group if {
	some v in found({"runAsUser": 1000, "fsGroup": 2000}, {"runAsUser": 65534, "runAsGroup": 65534})
	v.msg == concat("", [
		"the files in volume data belong to user 1000, but container db now runs as 65534: ",
		"it may not write them, and no fsGroup gives them to its group (it was 2000)",
	])
	startswith(v.fix, "Keep runAsUser: 1000 and fsGroup: 2000; to change it, back the data up")
	contains(v.fix, "chown -R 65534 /data once")
	v.path == ["spec", "template", "spec", "securityContext"]
}

test_the_group_is_enough_for_most if {
	found({"runAsUser": 1000}, {"runAsUser": 65534, "fsGroup": 2000}) == set()
	found({"runAsUser": 1000, "fsGroup": 2000}, {"runAsUser": 65534, "supplementalGroups": [2000]}) == set()
	found({"runAsUser": 1000, "fsGroup": 2000}, {"runAsUser": 65534, "runAsGroup": 2000}) == set()
}

test_the_same_user_or_root_passes if {
	found({"runAsUser": 1000, "fsGroup": 2000}, {"runAsUser": 1000}) == set()
	found({"runAsUser": 1000}, {"runAsUser": 0}) == set()
	found({}, {"runAsUser": 1000}) == set()
}

test_a_user_of_the_container_counts_before_the_pod_s if {
	extra := {"container": {"security": {"runAsUser": 1000}}}
	found_in("", "acme/store", "1", "1", {"runAsUser": 1000}, {"runAsUser": 5}, extra) == set()
	other := {"container": {"security": {"runAsUser": 7}}}
	some v in found_in("", "acme/store", "1", "1", {"runAsUser": 1000}, {"runAsUser": 1000}, other)
	v.path == ["spec", "template", "spec", "containers", 0, "securityContext", "runAsUser"]
}

pg(old_tag, new_tag, old, new) := found_in("postgres", "library/postgres", old_tag, new_tag, old, new, {})

test_postgres_must_own_its_directory if {
	some v in pg("16.4", "16.4-alpine", {}, {"runAsUser": 70, "fsGroup": 70})
	contains(v.msg, "belong to user 999, but container db now runs as 70: postgres refuses a data directory")
	count(pg("16.4", "16.4", {"runAsUser": 999, "fsGroup": 999}, {"runAsUser": 1000, "fsGroup": 999})) == 1
	pg("16.4", "16.4-alpine", {}, {}) == set()
	pg("16.4-alpine", "17.2-alpine", {}, {"runAsUser": 70}) == set()
}

test_images_by_default if {
	count(found_in("prometheus", "prom/prometheus", "v2", "v2", {}, {"runAsUser": 1000}, {})) == 1
	count(found_in("elasticsearch", "library/elasticsearch", "8", "8", {}, {"runAsUser": 1}, {})) == 1
	count(found_in("redis", "bitnami/redis", "7", "7", {}, {"runAsUser": 1}, {})) == 1
}

test_someone_changes_the_owner if {
	chown := {"init": [{"name": "prepare", "role": "init", "command": ["chown", "-R", "5", "/data"], "args": []}]}
	found_in("", "acme/store", "1", "1", {"runAsUser": 1000}, {"runAsUser": 5}, chown) == set()
	named := {"init": [{"name": "volume-permissions", "role": "init", "command": [], "args": []}]}
	found_in("", "acme/store", "1", "1", {"runAsUser": 1000}, {"runAsUser": 5}, named) == set()
}

test_shared_volumes_map_users if {
	shared := {"modes": ["ReadWriteMany"]}
	found_in("", "acme/store", "1", "1", {"runAsUser": 1000}, {"runAsUser": 5}, shared) == set()
}

test_official_images_step_down_to_a_user_of_theirs if {
	every repository in ["library/mysql", "library/mongo", "library/redis", "library/mariadb"] {
		some v in found_in("mysql", repository, "8.4", "8.4", {}, {"runAsUser": 27}, {})
		contains(v.msg, "belong to user 999, but container db now runs as 27")
		contains(v.fix, "securityContext {runAsUser: 0, runAsNonRoot: false} run chown -R 27 /data once")
		found_in("mysql", repository, "8.4", "9", {"runAsUser": 27}, {}, {}) == set()
	}
}

test_percona_has_a_user_of_its_own if {
	percona := {"image": {"registry": "docker.io", "repository": "percona/percona-server", "tag": "8.0.36"}}
	some v in found_in("mysql", "library/mysql", "8.0.36", "8.0.36", {}, {}, {"container": percona})
	contains(v.msg, "belong to user 999, but container db now runs as 1001")
}
