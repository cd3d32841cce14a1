package stategate.lifecycle.redis_appendonly_switch_test

import data.stategate.lifecycle.redis_appendonly_switch as policy

workload(image, args, env, source) := {
	"kind": "StatefulSet",
	"name": "cart",
	"namespace": "shop",
	"annotations": {},
	"engine": {
		"name": "redis",
		"container": "redis",
		"data_dirs": [{"dir": "/data", "container": "redis", "mount": {"source": source, "read_only": false}}],
	},
	"containers": [{
		"name": "redis",
		"engine": "redis",
		"path": ["c", 0],
		"image": {"repository": image},
		"command": [],
		"args": args,
		"env": env,
		"env_from": false,
	}],
}

update(image, old, new) := {
	"old_workload": workload(image, old, [], "volumeClaimTemplate"),
	"workload": workload(image, new, [], "volumeClaimTemplate"),
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

test_the_log_is_turned_on_by_a_restart if {
	every old in [[], ["--appendonly", "no"], ["--save", "60", "1"], ["--requirepass", "$(PASSWORD)"]] {
		every new in [["--appendonly", "yes"], ["redis-server --appendonly yes"], ["--APPENDONLY", "Yes"]] {
			some v in found(update("library/redis", old, new))
			contains(v.msg, "appendonly changes from no to yes by a restart")
			contains(v.fix, "redis-cli CONFIG SET appendonly yes")
			contains(v.fix, "stategate.io/confirm-appendonly='no->yes'")
		}
	}
}

test_a_password_is_asked_for if {
	some v in found(update("library/redis", ["--requirepass", "$(PASSWORD)"], ["--appendonly", "yes"]))
	contains(v.fix, "in each pod: REDISCLI_AUTH=PASSWORD redis-cli CONFIG SET appendonly yes")
}

test_valkey_has_its_own_client if {
	some v in found(update("valkey/valkey", [], ["--appendonly", "yes"]))
	contains(v.fix, "valkey-cli CONFIG SET")
}

test_what_loses_nothing_passes if {
	on := ["--appendonly", "yes"]
	every pair in [[on, on], [on, []], [["--save", ""], on], [["--appendonly", "no", "--save", ""], on], [[], []]] {
		found(update("library/redis", pair[0], pair[1])) == set()
	}
}

test_a_log_that_nothing_replaces_fails if {
	some v in found(update("library/redis", ["--save", "", "--appendonly", "yes"], ["--save", "", "--appendonly", "no"]))
	contains(v.msg, "its file is then not read")
	contains(v.fix, "redis-cli CONFIG SET save \"3600 1\", and redis-cli BGSAVE, until INFO persistence says")
}

test_what_is_not_seen_passes if {
	every unseen in [["/etc/redis.conf"], ["/start.sh"], ["$(ARGS)"], ["--appendonly", "$(AOF)"]] {
		found(update("library/redis", unseen, array.concat(unseen, ["--appendonly", "yes"]))) == set()
	}
	found(update("example/redis", [], ["--appendonly", "yes"])) == set()
}

of_bitnami(env) := found({
	"old_workload": workload("bitnami/redis", [], [{"name": "REDIS_AOF_ENABLED", "value": "no"}], "persistentVolumeClaim"),
	"workload": workload("bitnami/redis", [], env, "persistentVolumeClaim"),
	"now": "2026-01-01T00:00:00Z",
})

test_variables_of_bitnami_count if {
	count(of_bitnami([])) == 1
	count(of_bitnami([{"name": "REDIS_AOF_ENABLED", "value": "yes"}])) == 1
	of_bitnami([{"name": "REDIS_AOF_ENABLED", "value": "no"}]) == set()
	of_bitnami([{"name": "REDIS_AOF_ENABLED", "from": "configMapKeyRef"}]) == set()
}

test_without_a_lasting_volume_there_is_nothing_to_lose if {
	document := update("library/redis", [], ["--appendonly", "yes"])
	scratch := {"old_workload": workload("library/redis", [], [], "emptyDir")}
	found(object.union(document, scratch)) == set()
}

test_confirmed_passes if {
	document := update("library/redis", [], ["--appendonly", "yes"])
	said := {"workload": {"annotations": {"stategate.io/confirm-appendonly": "no->yes"}}}
	found(object.union(document, said)) == set()
}

test_of_two_containers_of_one_name_the_first_counts if {
	document := update("library/redis", [], ["--appendonly", "yes"])
	twice := object.union(document, {
		"old_workload": {"containers": array.concat(
			document.old_workload.containers,
			[object.union(document.old_workload.containers[0], {"args": ["--port", "1"]})],
		)},
		"workload": {"containers": array.concat(
			document.workload.containers,
			[object.union(document.workload.containers[0], {"args": []})],
		)},
	})
	count(found(twice)) == 1
}

with_file(text) := object.union(
	workload("library/redis", ["redis-server", "/conf/redis.conf"], [], "volumeClaimTemplate"),
	{"containers": [object.union(
		workload("library/redis", ["redis-server", "/conf/redis.conf"], [], "volumeClaimTemplate").containers[0],
		{"files": [{"path": "/conf/redis.conf", "text": text}]},
	)]},
)

by_file(old, new) := found({"old_workload": with_file(old), "workload": with_file(new), "now": "2026-01-01T00:00:00Z"})

test_a_file_that_the_command_names_counts if {
	some v in by_file("save 60 1\n", "save 60 1\nappendonly yes\n")
	contains(v.msg, "appendonly changes from no to yes by a restart")
	count(by_file("appendonly no\n", "appendonly yes\n")) == 1
	by_file("appendonly no\n", "# appendonly yes\n") == set()
	by_file("include /other.conf\n", "appendonly yes\n") == set()
	by_file("save \"\"\n", "appendonly yes\n") == set()
}

of_variable(image, name, old, new) := found({
	"old_workload": workload(image, [], [{"name": name, "value": old}], "volumeClaimTemplate"),
	"workload": workload(image, [], [{"name": name, "value": new}], "volumeClaimTemplate"),
	"now": "2026-01-01T00:00:00Z",
})

test_variables_with_arguments_count if {
	count(of_variable("redis/redis-stack-server", "REDIS_ARGS", "--save 60 1", "--save 60 1 --appendonly yes")) == 1
	count(of_variable("valkey/valkey", "VALKEY_EXTRA_FLAGS", "", "--appendonly yes")) == 1
	of_variable("library/redis", "REDIS_ARGS", "", "--appendonly yes") == set()
}

test_nothing_that_is_kept_is_told if {
	some v in found(update("library/redis", ["--appendonly", "yes"], ["--save", "", "--appendonly", "no"]))
	contains(v.msg, "redis keeps nothing new any more (appendonly no, save \"\")")
	contains(v.fix, "stategate.io/confirm-appendonly='kept->lost'")
	count(found(update("library/redis", [], ["--save", ""]))) == 1
	found(update("library/redis", ["--save", ""], ["--save", "", "--appendonly", "no"])) == set()
}

beside_a_file(words) := object.union(base, {"containers": [object.union(base.containers[0], {"mounts": mounts})]}) if {
	env := [{"name": "REDIS_ARGS", "value": words}]
	base := workload("redis/redis-stack-server", [], env, "volumeClaimTemplate")
	file := {"source": "configMap", "mount_path": "/redis-stack.conf", "volume": "conf"}
	mounts := array.concat(object.get(base.containers[0], "mounts", []), [file])
}

test_a_file_of_redis_stack_may_say_it if {
	old := beside_a_file("--save 60 1")
	new := beside_a_file("--save 60 1 --appendonly yes")
	found({"old_workload": old, "workload": new, "now": "2026-01-01T00:00:00Z"}) == set()
}

other := ["--replicaof", "other.db", "6379"]

test_a_replica_drops_its_own_keys if {
	every new in [other, ["redis-server --slaveof other.db 6379"], ["--replicaof other.db 6379"]] {
		some v in found(update("library/redis", ["--appendonly", "yes"], array.concat(["--appendonly", "yes"], new)))
		startswith(v.msg, "redis becomes a replica of other.db: the first synchronization replaces all its keys with those of other.db")
		contains(v.fix, "stategate.io/confirm-replicaof='alone->other.db'")
	}
	count(found(update("valkey/valkey", ["--replicaof", "no", "one"], other))) == 1
	count(by_file("save 60 1\n", "save 60 1\nreplicaof other.db 6379\n")) == 1
}

test_who_follows_already_or_only_itself_drops_nothing if {
	found(update("library/redis", ["--replicaof", "first.db", "6379"], other)) == set()
	found(update("library/redis", ["--save", ""], array.concat(["--save", ""], other))) == set()
	every host in ["no", "cart", "cart-0.cart", "$(PRIMARY)", "localhost"] {
		found(update("library/redis", [], ["--replicaof", host, "one"])) == set()
	}
	found(update("library/redis", ["/start.sh"], other)) == set()
	by_file("replicaof first.db 6379\n", "replicaof other.db 6379\n") == set()
	cluster := ["--cluster-enabled", "yes"]
	found(update("library/redis", cluster, array.concat(cluster, other))) == set()
	by_file("cluster-enabled yes\n", "cluster-enabled yes\nreplicaof other.db 6379\n") == set()
}

stack(mounts) := object.union(
	workload("redis/redis-stack-server", [], [], "volumeClaimTemplate"),
	{"containers": [object.union(
		workload("redis/redis-stack-server", [], [], "volumeClaimTemplate").containers[0],
		{"mounts": mounts},
	)]},
)

test_the_stack_may_have_a_file_of_its_own if {
	new := {"workload": workload("redis/redis-stack-server", other, [], "volumeClaimTemplate"), "now": "2026-01-01T00:00:00Z"}
	count(found(object.union(new, {"old_workload": stack([])}))) == 1
	found(object.union(new, {"old_workload": stack([{"source": "configMap"}])})) == set()
}

replica(more) := array.concat([{"name": "REDIS_REPLICATION_MODE", "value": "replica"}], more)

bitnami_follows(old, new) := found({
	"old_workload": workload("bitnami/redis", [], old, "volumeClaimTemplate"),
	"workload": workload("bitnami/redis", [], new, "volumeClaimTemplate"),
	"now": "2026-01-01T00:00:00Z",
})

test_variables_of_bitnami_name_the_primary if {
	of_other := replica([{"name": "REDIS_MASTER_HOST", "value": "other.db"}])
	every old in [[], [{"name": "REDIS_REPLICATION_MODE", "value": "master"}]] {
		some v in bitnami_follows(old, of_other)
		startswith(v.msg, "redis becomes a replica of other.db")
	}
	bitnami_follows([], replica([])) == set()
	bitnami_follows([], replica([{"name": "REDIS_MASTER_HOST", "from": "secretKeyRef"}])) == set()
	bitnami_follows([{"name": "REDIS_REPLICATION_MODE", "from": "configMapKeyRef"}], of_other) == set()
	bitnami_follows([], array.concat(of_other, [{"name": "REDIS_SENTINEL_HOST", "value": "sentinel"}])) == set()
}

test_a_confirmed_replica_passes if {
	document := update("library/redis", [], other)
	said := {"workload": {"annotations": {"stategate.io/confirm-replicaof": "alone->other.db"}}}
	found(object.union(document, said)) == set()
}

test_a_script_that_decides_between_servers_is_not_read_as_one if {
	alone := ["exec redis-server --appendonly yes"]
	by_name := "if [ $(hostname) = x-0 ]; then redis-server --appendonly yes; else redis-server --appendonly yes --replicaof m 6379; fi"
	every script in [by_name, "[ -e /first ] && exec redis-server --appendonly yes; exec redis-server --appendonly yes --replicaof m 6379"] {
		found(update("library/redis", alone, [script])) == set()
	}
	count(found(update("library/redis", ["--requirepass", "$(PASSWORD)"], ["--requirepass", "$(PASSWORD)", "--replicaof", "m", "6379"]))) == 1
	off := ["--appendonly", "no"]
	count(found(update("library/redis", off, [by_name]))) == 1
	found(update("library/redis", off, ["if [ -e /log ]; then redis-server --appendonly yes; else redis-server --appendonly no; fi"])) == set()
	found(update("library/redis", off, ["if [ -e /log ]; then redis-server --appendonly yes; else redis-server ; fi"])) == set()
}
