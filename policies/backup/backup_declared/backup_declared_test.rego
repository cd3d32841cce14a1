package stategate.backup.backup_declared_test

import data.stategate.backup.backup_declared as policy

request(methods, annotations, of_pods) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"engine": {"name": "postgres", "data_dirs": []},
		"annotations": annotations,
		"pods": {"annotations": of_pods, "path": ["spec", "template"]},
		"volumes": [
			{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
			{"name": "wal", "source": "persistentVolumeClaim", "claim": "pg-wal"},
			{"name": "conf", "source": "configMap"},
		],
		"containers": [{"name": "db", "mounts": [{"mount_path": "/data", "source": "volumeClaimTemplate"}]}],
		"backup": {"methods": methods, "errors": []},
	},
	"parameters": {
		"methods": ["velero", "k10", "external", "none"],
		"exclude_engines": ["prometheus"],
		"exclude_images": ["thanos", "sonarqube*", "timberio/vector"],
		"cache_names": ["*-cache"],
	},
}

found(document) := violations if violations := policy.violation with input as document

test_known_method_passes if found(request(["velero"], {}, {})) == set()

test_nothing_declared_fails if {
	some v in found(request([], {}, {}))
	contains(v.msg, "StatefulSet pg does not say how its data is backed up")
	v.path == ["metadata", "annotations"]
}

test_velero_annotation_of_pods_counts if {
	found(request([], {}, {"backup.velero.io/backup-volumes": "data,wal"})) == set()
}

test_a_container_that_takes_backups_counts if {
	beside := {"name": "pgbackrest", "role": "main", "image": {"repository": "timescale/timescaledb-ha"}, "command": ["/scripts/run.sh"], "args": []}
	containers := array.concat(request([], {}, {}).workload.containers, [beside])
	found(object.union(request([], {}, {}), {"workload": {"containers": containers}})) == set()
}

test_empty_velero_annotation_does_not_count if {
	count(found(request([], {}, {"backup.velero.io/backup-volumes": " "}))) == 1
}

running(sources) := object.union(request([], {}, {}), {"workload": {
	"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]},
	"containers": [{"name": "db", "mounts": [{"source": source, "read_only": false} | some source in sources]}],
}})

test_what_keeps_nothing_is_another_policy_s_matter if {
	found(running([])) == set()
	found(running(["emptyDir"])) == set()
}

test_neither_is_what_a_store_in_memory_keeps if {
	found(object.union(running(["volumeClaimTemplate"]), {"workload": {"engine": {"volatile": true}}})) == set()
}

test_nothing_outlives_the_pod_wherever_it_is_written if {
	guess := {"engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "guess"}]}}
	found(object.union(running(["emptyDir"]), {"workload": guess})) == set()
	found(object.union(running(["configMap"]), {"workload": {"engine": {"data_dirs": []}}})) == set()
}

test_a_raw_disk_needs_a_word if {
	count(found(object.union(running([]), {"workload": {"claims": [{"volume_mode": "Block"}]}}))) == 1
}

test_data_beside_the_claim_still_needs_a_word if count(found(running(["volumeClaimTemplate"]))) == 1

test_what_can_be_rebuilt_is_told_how_to_say_so if {
	some v in found(request([], {}, {}))
	endswith(v.fix, "stategate.io/data-durability: rebuildable")
}

test_unknown_method_fails if {
	some v in found(request(["rsync"], {}, {}))
	contains(v.msg, "backup method rsync is not known")
	v.fix == "Name one of velero, k10, external, none in stategate.io/backup-method"
}

test_every_method_is_judged if {
	{v.key | some v in found(request(["velero", "rsync", "tar"], {}, {}))} == {"rsync", "tar"}
}

test_none_needs_a_reason if {
	some v in found(request(["none"], {}, {}))
	contains(v.msg, "has no backup and does not say why")
}

test_none_with_a_reason_passes if {
	found(request(["none"], {"stategate.io/skip-reason": "rebuilt nightly from the lake"}, {})) == set()
}

test_a_word_is_no_reason if count(found(request(["none"], {"stategate.io/skip-reason": "later     "}, {}))) == 1

test_hooks_of_velero_count if {
	found(request([], {}, {"pre.hook.backup.velero.io/command": `["/bin/sync"]`})) == set()
	found(request([], {}, {"post.hook.backup.velero.io/container": "pg"})) == set()
	count(found(request([], {}, {"post.hook.restore.velero.io/command": "x"}))) == 1
}

test_a_name_that_is_no_volume if {
	every methods in [[], ["velero"]] {
		violations := found(request(methods, {}, {"backup.velero.io/backup-volumes": "data-pg-0"}))
		count(violations) == 1
		some v in violations
		startswith(v.msg, "backup.velero.io/backup-volumes names data-pg-0, which is no volume of the pod")
		v.path == ["spec", "template", "metadata", "annotations", "backup.velero.io/backup-volumes"]
		v.fix == "Name the volume as the pod does: data"
	}
}

test_the_volume_of_a_claim_is_meant if {
	some v in found(request([], {}, {"backup.velero.io/backup-volumes": "data, pg-wal"}))
	v.fix == "Name the volume as the pod does: wal"
	some w in found(request([], {}, {"backup.velero.io/backup-volumes": "storage"}))
	w.fix == "Name the volume as the pod does: data or wal"
}

test_on_the_wrong_object if {
	some v in found(request([], {"backup.velero.io/backup-volumes": "data"}, {}))
	startswith(v.fix, "Move backup.velero.io/backup-volumes to spec.template.metadata.annotations")
}

test_volumes_without_data_are_no_backup if {
	some v in found(request([], {}, {"backup.velero.io/backup-volumes": "conf"}))
	v.msg == "StatefulSet pg has no backup: backup.velero.io/backup-volumes names only volumes without data (conf)"
	startswith(v.fix, "Name the volumes with the data in backup.velero.io/backup-volumes: data,wal; or, if")
	found(request([], {}, {"backup.velero.io/backup-volumes": "conf,data"})) == set()
}

test_a_blank_is_part_of_the_name if {
	some v in found(request([], {}, {"backup.velero.io/backup-volumes": "data, wal"}))
	startswith(v.msg, "backup.velero.io/backup-volumes names \" wal\", which is no volume of the pod")
	v.fix == "Name the volume as the pod does: wal"
}

test_k8up_is_told_on_the_pods if {
	found(request([], {}, {"k8up.io/backupcommand": "pg_dumpall -U app"})) == set()
}

labelled(key) := object.union(request([], {}, {}), {"workload": {
	"claims": [{"name": "data", "origin": "template", "labels": {key: "enabled"}}],
	"containers": [{"name": "db", "mounts": [{"volume": "data", "mount_path": "/data", "source": "volumeClaimTemplate", "read_only": false}]}],
}})

test_longhorn_is_told_on_the_claims if {
	found(labelled("recurring-job.longhorn.io/backup-daily")) == set()
	found(labelled("recurring-job-group.longhorn.io/nightly")) == set()
	count(found(labelled("recurring-job.longhorn.io/source"))) == 1
	every job in ["snapshot-hourly", "weekly-fstrim", "cleanup"] {
		count(found(labelled(sprintf("recurring-job.longhorn.io/%s", [job])))) == 1
	}
}

test_what_was_meant_to_be_one_is_named if {
	schedule := {"kind": "Schedule", "name": "nightly", "schedule": "", "paused": true, "resources": []}
	some v in found(object.union(request([], {}, {}), {"related": {"backup_schedules": [schedule]}}))
	v.msg == "StatefulSet pg has no backup: Schedule nightly is paused"
	v.fix == concat("", [
		"Set spec.paused: false in Schedule nightly; ",
		"or, if it is backed up otherwise, annotate stategate.io/backup-method",
	])
}

test_schedules_and_jobs_count if {
	schedule := {"paused": false, "resources": []}
	found(object.union(request([], {}, {}), {"related": {"backup_schedules": [schedule]}})) == set()
	job := {"programs": ["restic"], "words": ["pg"], "visible": true}
	found(object.union(request([], {}, {}), {"related": {"backup_jobs": [job]}})) == set()
}

test_data_that_expires_passes if {
	document := object.union(request([], {}, {}), {"workload": {"engine": {"name": "prometheus"}}})
	found(document) == set()
}

test_claims_that_only_happen_to_be_there_pass if {
	document := request([], {}, {})
	logs := [{"name": "web", "mounts": [{"mount_path": "/var/log/web", "volume": "v", "source": "persistentVolumeClaim"}]}]
	web := object.union(object.remove(document.workload, ["engine"]), {"containers": logs})
	found({"workload": web, "parameters": document.parameters}) == set()
}

lasting := [{"mount_path": "/data", "source": "volumeClaimTemplate"}]

redis(overrides) := object.union(request([], {}, {}), {"workload": object.union(
	{
		"engine": {"name": "redis", "container": "db"},
		"containers": [{"name": "db", "mounts": lasting, "command": [], "args": []}],
	},
	overrides,
)})

test_cache_needs_no_backup if {
	count(found(redis({}))) == 1
	found(redis({"name": "session-cache"})) == set()
	found(redis({"engine": {"name": "redis", "container": "db", "evicts": true}})) == set()
	count(found(redis({"engine": {"name": "redis", "container": "db", "evicts": false}}))) == 1
}

of_image(repository) := json.remove(
	object.union(request([], {}, {}), {"workload": {"containers": [{
		"name": "app",
		"role": "main",
		"image": {"repository": repository},
		"mounts": [{"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "read_only": false}],
	}]}}),
	["workload/engine"],
)

test_what_expires_or_is_built_again_needs_no_backup if {
	found(of_image("thanos/thanos")) == set()
	found(of_image("sonarqube-dce")) == set()
	count(found(of_image("shop/ledger"))) == 1
	found(of_image("registry.corp/timberio/vector")) == set()
	count(found(of_image("shop/vector"))) == 1
	count(found(of_image("vector"))) == 1
}

test_registry_that_passes_on_another_needs_no_backup if {
	count(found(of_image("library/registry"))) == 1
	some container in of_image("library/registry").workload.containers
	every source in [{"value": "https://registry-1.docker.io"}, {"from": "configMapKeyRef"}] {
		containers := [object.union(container, {"env": [object.union({"name": "REGISTRY_PROXY_REMOTEURL"}, source)]})]
		found(object.union(of_image("library/registry"), {"workload": {"containers": containers}})) == set()
	}
}

test_application_with_a_database_elsewhere_needs_no_backup if {
	every answer in [["postgres", 0], ["dev-file", 1]] {
		some container in of_image("keycloak/keycloak").workload.containers
		containers := [object.union(container, {"env": [{"name": "KC_DB", "value": answer[0]}]})]
		count(found(object.union(of_image("keycloak/keycloak"), {"workload": {"containers": containers}}))) == answer[1]
	}
}

test_redis_without_dump_and_log_keeps_nothing if {
	some container in of_image("library/redis").workload.containers
	mounts := [{"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "read_only": false, "path": ["spec"]}]
	every told in [[{"keeps_nothing": true}, 0], [{}, 1]] {
		containers := [object.union_n([{"command": [], "args": [], "path": ["spec"], "env": []}, container, {"mounts": mounts}, told[0]])]
		count(found(object.union(of_image("library/redis"), {"workload": {"containers": containers}}))) == told[1]
	}
}

test_node_that_holds_no_data_needs_no_backup if {
	every answer in [["false", 0], ["true", 1]] {
		document := {"workload": {
			"engine": {"name": "elasticsearch", "container": "es", "data_dirs": []},
			"containers": [{
				"name": "es",
				"image": {"repository": "elasticsearch/elasticsearch"},
				"env": [{"name": "node.data", "value": answer[0]}],
				"command": [],
				"args": [],
				"mounts": lasting,
			}],
		}}
		count(found(object.union(request([], {}, {}), document))) == answer[1]
	}
}

sharing(annotations, mounts) := object.union(request([], {}, {}), {
	"workload": {"containers": [{"name": "db", "mounts": mounts, "command": [], "args": []}]},
	"related": {"pvcs": [{"name": "pg-wal", "annotations": annotations}]},
})

test_claim_may_say_it_for_all_that_share_it if {
	shared := {"mount_path": "/wal", "volume": "wal", "source": "persistentVolumeClaim", "read_only": false}
	own := {"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "read_only": false}
	found(sharing({"stategate.io/backup-method": "velero"}, [shared])) == set()
	count(found(sharing({"stategate.io/backup-method": "velero"}, [shared, own]))) == 1
	count(found(sharing({"stategate.io/backup-method": "none"}, [shared]))) == 1
	count(found(sharing({"stategate.io/backup-method": "velero,tar"}, [shared]))) == 1
	count(found(sharing({}, [shared]))) == 1
}

test_replica_is_a_copy_of_its_primary if {
	replicating("bitnami/redis", "replica") == set()
	count(replicating("bitnami/redis", "master")) == 1
	count(replicating("library/redis", "replica")) == 1
}

replicating(repository, mode) := found(redis({"containers": [{
	"name": "db",
	"image": {"repository": repository},
	"mounts": lasting,
	"command": [],
	"args": [],
	"env": [{"name": "REDIS_REPLICATION_MODE", "value": mode}],
}]}))

with_containers(containers) := found(object.union(
	object.remove(request([], {}, {}), ["workload"]),
	{"workload": object.union(object.remove(request([], {}, {}).workload, ["engine"]), {"containers": containers})},
))

searching(roles, dedicated) := object.union(request([], {}, {}), {"workload": {
	"engine": {"name": "elasticsearch", "container": "es", "data_dirs": []},
	"containers": [{
		"name": "es",
		"image": {"repository": "bitnami/elasticsearch"},
		"env": [
			{"name": "ELASTICSEARCH_IS_DEDICATED_NODE", "value": dedicated},
			{"name": "ELASTICSEARCH_NODE_ROLES", "value": roles},
		],
		"mounts": [{"mount_path": "/data", "source": "volumeClaimTemplate", "read_only": false}],
	}],
}})

test_dedicated_masters_hold_no_index if {
	found(searching("master", "yes")) == set()
	count(found(searching("master", "no"))) == 1
	count(found(searching("master,data,ingest", "yes"))) == 1
	count(found(searching("data_hot", "yes"))) == 1
}

test_cache_by_its_name_alone if {
	main := [{
		"name": "redis",
		"role": "main",
		"image": {"repository": "shop/redis-cache"},
		"mounts": [{"mount_path": "/redis-data", "volume": "data", "source": "persistentVolumeClaim", "read_only": false}],
	}]
	view := object.union(object.remove(request([], {}, {}).workload, ["engine"]), {"containers": main})
	found({"workload": object.union(view, {"name": "redis-cache"}), "parameters": request([], {}, {}).parameters}) == set()
	count(found({"workload": object.union(view, {"name": "shop-cache"}), "parameters": request([], {}, {}).parameters})) == 1
}

node(env, args) := found(object.union(request([], {}, {}), {"workload": {
	"engine": {"name": "elasticsearch", "container": "es", "data_dirs": [], "release": [8, 19, 4]},
	"containers": [{
		"name": "es",
		"image": {"repository": "elasticsearch/elasticsearch"},
		"env": env,
		"command": [],
		"args": args,
		"path": ["spec"],
		"mounts": [{"mount_path": "/data", "source": "volumeClaimTemplate", "read_only": false}],
	}],
}}))

with_roles(list) := [{"name": "node.roles", "value": list}]

test_masters_without_data_hold_no_index if {
	every list in ["master", "[master, ingest]", "cluster_manager,remote_cluster_client"] {
		node(with_roles(list), []) == set()
		node([], [concat("=", ["-Enode.roles", list])]) == set()
	}
	every list in ["", ",", "data", "data_hot,ingest", "ingest", "master,data"] {
		count(node(with_roles(list), [])) == 1
	}
	count(node([], [])) == 1
}

waiting(said) := found(object.union(of_image("shop/app"), {"workload": {"containers": [object.union(
	of_image("shop/app").workload.containers[0],
	{"command": [], "args": said},
)]}}))

test_what_only_waits_writes_nothing if {
	every said in [["cat"], ["sleep", "infinity"], ["/bin/sh", "-c", "tail -f /dev/null"]] {
		waiting(said) == set()
	}
	count(waiting(["cat", "/srv/start"])) == 1
	count(waiting(["sh", "-c", "sleep 5; ./start"])) == 1
}

test_cache_by_its_component if {
	found(redis({"labels": {"app.kubernetes.io/component": "session-cache"}})) == set()
	count(found(redis({"labels": {"app.kubernetes.io/component": "master"}}))) == 1
}

several(changes) := {v.fix | some v in sharers(changes)}

sharers(changes) := violations if {
	document := object.union(json.remove(request([], {}, {}), ["workload/engine"]), {
		"workload": {
			"claims": [{"name": "pg-wal", "origin": "reference"}],
			"containers": [{"name": "db", "command": [], "args": [], "mounts": [
				{"mount_path": "/wal", "volume": "wal", "source": "persistentVolumeClaim", "read_only": false},
			]}],
		},
		"related": {"consumers": [object.union({"claim": "pg-wal", "read_only": false}, changes)]},
	})
	violations := found(document)
}

test_claim_of_several_is_told_to_carry_the_word if {
	every fix in several({}) {
		contains(fix, "on claim pg-wal, for all that mount it (none: here, with stategate.io/skip-reason)")
	}
	every changes in [{"read_only": true}, {"claim": "logs"}] {
		every fix in several(changes) {
			not contains(fix, "on claim")
		}
	}
	count(several({})) == 1
}
