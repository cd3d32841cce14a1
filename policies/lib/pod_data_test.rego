package stategate.lib.pod_data_test

import data.stategate.lib.pod_data

dir(origin, rest) := object.union({"dir": "/data", "container": "db", "origin": origin}, rest)

on(source) := {"mount": {"source": source, "read_only": false}}

update(old, containers) := {
	"old_workload": {"engine": {"name": "redis", "data_dirs": old}, "containers": containers},
	"workload": {"engine": {"name": "redis"}},
}

found(old, containers) := kept if {
	dirs := pod_data.at_stake with input as update(old, containers)
	kept := {pod_data.kept_in(one) | some one in dirs}
}

test_what_lives_in_pods if {
	found([dir("default", on("emptyDir"))], []) == {"emptyDir"}
	found([dir("argument", on("ephemeral"))], []) == {"ephemeral"}
	found([dir("default", {})], []) == {"container"}
}

test_what_does_not if {
	found([dir("default", on("volumeClaimTemplate"))], []) == set()
	found([dir("default", {}), dir("default", on("volumeClaimTemplate"))], []) == set()
	found([dir("script", on("emptyDir"))], []) == set()
}

image(repository) := [{
	"name": "db",
	"image": {"repository": repository},
	"mounts": [{"source": "persistentVolumeClaim", "mount_path": "/state", "read_only": false}],
}]

test_image_of_another_maker_may_write_elsewhere if {
	found([dir("default", {})], image("shop/redis")) == set()
	found([dir("default", {})], image("library/redis")) == {"container"}
	found([dir("default", {"hidden_by": "/data"})], image("shop/redis")) == {"container"}
}

named(ports) := [{
	"name": "db",
	"engine": "redis",
	"image": {"repository": "shop/redis"},
	"command": [],
	"args": [],
	"env": [],
	"ports": ports,
	"mounts": [],
}]

test_what_is_only_called_a_store_need_not_keep_anything if {
	found([dir("default", {})], named([{"port": 8060}])) == set()
	found([dir("default", {})], named([{"port": 6379}])) == {"container"}
	found([dir("default", on("emptyDir"))], named([])) == {"emptyDir"}
}

test_one_replica_has_no_copies if {
	pod_data.no_copies with input as {"old_workload": {"replicas": 1}}
	not pod_data.no_copies with input as {"old_workload": {"replicas": 3}}
}

test_all_is_gone if {
	pod_data.gone with input as update([dir("default", {})], [])
	pod_data.gone with input as update([dir("default", on("emptyDir"))], [])
}

test_something_stays if {
	not pod_data.gone with input as update([dir("default", on("volumeClaimTemplate"))], [])
	not pod_data.gone with input as update([dir("argument", {}), dir("also", on("volumeClaimTemplate"))], [])
	not pod_data.gone with input as update([dir("script", {})], [])
	not pod_data.gone with input as update([], [])
	not pod_data.gone with input as object.union(update([dir("default", {})], []), {"old_workload": {"replicas": 3}})
}
