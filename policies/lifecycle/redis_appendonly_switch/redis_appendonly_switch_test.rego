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
	contains(v.fix, "CONFIG SET save \"3600 1\"")
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
