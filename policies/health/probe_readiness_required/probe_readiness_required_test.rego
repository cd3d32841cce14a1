package stategate.health.probe_readiness_required_test

import data.stategate.health.probe_readiness_required as policy

container(overrides) := object.union(
	{
		"name": "db",
		"role": "main",
		"engine": "",
		"ports": [],
		"path": ["spec", "template", "spec", "containers", 0],
	},
	overrides,
)

port(number) := {
	"ports": [{"port": number, "protocol": "TCP"}],
	"image": {"repository": "shop/ledger"},
	"mounts": [{"mount_path": "/data", "volume": "data", "source": "volumeClaimTemplate", "read_only": false}],
}

request(containers) := {
	"workload": {"kind": "StatefulSet", "replicas": 3, "containers": containers},
	"parameters": {"exclude_containers": ["istio-proxy", "*exporter", "*reloader"]},
}

found(document) := violations if violations := policy.violation with input as document

test_probe_that_never_succeeds_fails if {
	probe := {"kind": "exec", "command": ["mongo", "--eval", "db.adminCommand('ping')"], "path": ["readiness"]}
	one := container({"engine": "mongodb", "image": {"repository": "library/mongo"}, "readiness": probe})
	document := object.union(request([one]), {"workload": {"engine": {"name": "mongodb", "container": "db", "major": 7}}})
	violations := found(document)
	count(violations) == 1
	some v in violations
	contains(v.msg, "runs mongo, which its image no longer has: the pod is never ready")
	v.path == ["readiness"]
	found(object.union(document, {"workload": {"engine": {"major": 5}}})) == set()
}

test_probe_passes if {
	found(request([container({"engine": "postgres", "readiness": {"handler": {}, "period": 10}})])) == set()
}

test_engine_without_probe_fails if {
	some v in found(request([container({"engine": "postgres"})]))
	contains(v.msg, "container db has no readinessProbe")
	v.path == ["spec", "template", "spec", "containers", 0]
	contains(v.fix, "such as {exec: {command: [pg_isready]}, timeoutSeconds: 5}")
}

test_probe_of_redis_knows_its_password if {
	env := [{"name": "REDIS_PASSWORD", "from": "secretKeyRef"}]
	asked := container({"engine": "redis", "command": ["redis-server"], "args": ["--requirepass", "$(REDIS_PASSWORD)"], "env": env})
	some v in found(request([asked]))
	contains(v.fix, `REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep PONG`)
	every script in ["exec redis-server --requirepass $(cat /run/password)", `PASS=x; exec redis-server --requirepass "$PASS"`] {
		some w in found(request([container({"engine": "redis", "command": ["sh", "-c", script], "env": env})]))
		contains(w.fix, "for a password, set REDISCLI_AUTH")
	}
}

test_single_cache_passes if {
	cache := container({"engine": "redis", "mounts": [{"mount_path": "/data", "volume": "data", "source": "emptyDir", "read_only": false}]})
	single := object.union(request([cache]), {"workload": {"replicas": 1}})
	found(single) == set()
	count(found(request([cache]))) == 1
	kept := container({"engine": "redis", "mounts": port(80).mounts})
	count(found(object.union(request([kept]), {"workload": {"replicas": 1}}))) == 1
	cached := [object.union(mount, {"volume": "redis-cache"}) | some mount in port(80).mounts]
	called := container({"engine": "redis", "mounts": cached})
	count(found(object.union(request([called]), {"workload": {"replicas": 1}}))) == 1
}

test_ports_without_probe_fail if {
	some v in found(request([container(port(8080))]))
	contains(v.fix, "tcpSocket: {port: 8080}")
}

test_example_is_the_engine_s_own if {
	some redis in found(request([container({"engine": "redis"})]))
	contains(redis.fix, "redis-cli")
	some rabbit in found(request([container({"engine": "rabbitmq"})]))
	contains(rabbit.fix, "[rabbitmq-diagnostics, -q, ping]")
	together := object.union(request([container({"engine": "rabbitmq"})]), {"workload": {"pod_management": "Parallel"}})
	some parallel in found(together)
	contains(parallel.fix, "check_running")
	some other in found(request([container({"engine": "mysql"})]))
	contains(other.fix, "its own ping command")
}

of_version(engine, release, version, overrides) := object.union(
	request([container({"engine": engine, "image": {"repository": concat("/", ["library", engine])}})]),
	{"workload": object.union(
		{"engine": {"name": engine, "container": "db", "major": release[0], "release": release, "version": version}},
		overrides,
	)},
)

test_old_versions_have_other_commands if {
	some alone in found(of_version("rabbitmq", [3, 6, 8], "3.6.8", {"replicas": 1}))
	contains(alone.fix, "such as {tcpSocket: {port: 5672}}")
	some member in found(of_version("rabbitmq", [3, 7, 28], "3.7.28", {"replicas": 3}))
	contains(member.fix, "such as {tcpSocket: {port: 25672}} (between nodes")
	some new in found(of_version("rabbitmq", [3, 8, 1], "3.8.1", {"replicas": 3}))
	contains(new.fix, "rabbitmq-diagnostics")
	some redis in found(of_version("redis", [4, 0, 14], "4.0.14", {}))
	endswith(redis.fix, `for a password, add -a "$PASSWORD"`)
}

of_workload(overrides) := object.union(request([container(port(8080))]), {"workload": overrides})

test_application_that_is_no_store_passes if {
	found(of_workload({"kind": "Deployment"})) == set()
	found(of_workload({"replicas": 1})) == set()
	found(request([container(object.union(port(8080), {"mounts": []}))])) == set()
}

test_helper_that_serves_nothing_passes if found(request([container({"name": "reloader"})])) == set()

test_init_containers_and_sidecars_pass if {
	every role in ["init", "sidecar"] {
		found(request([container(object.union(port(9000), {"role": role}))])) == set()
	}
}

test_excluded_containers_pass if {
	every name in ["istio-proxy", "postgres-exporter", "config-reloader"] {
		found(request([container(object.union(port(9187), {"name": name}))])) == set()
	}
}

test_every_store_is_judged if {
	count(found(request([container({"engine": "postgres"}), container({"name": "cache", "engine": "redis"})]))) == 2
}

test_helper_beside_a_store_passes if {
	containers := [container({"engine": "postgres"}), container(object.union(port(9187), {"name": "metrics"}))]
	count(found(request(containers))) == 1
}

test_only_what_declares_ports_is_reached if {
	some v in found(request([container({"engine": "loki"})]))
	contains(v.msg, "no readinessProbe: it counts as ready before it has recovered, and")
	some influx in found(request([container({"engine": "influxdb", "ports": [{"port": 8083}, {"port": 8086}]})]))
	contains(influx.msg, "clients reach it before it has recovered")
	contains(influx.fix, "tcpSocket: {port: 8086}")
}

test_of_unknown_containers_those_that_keep_data_are_judged if {
	store := container(port(8080))
	helpers := [
		object.union(store, {"name": "tail", "mounts": []}),
		object.union(store, {"name": "second"}),
	]
	count(found(request(array.concat([store], helpers)))) == 2
}

test_images_without_a_client_are_asked_over_http if {
	every engine, text in {
		"loki": "such as {httpGet: {path: /ready, port: 3100}} (its http_listen_port)",
		"tempo": "such as {httpGet: {path: /ready, port: 3200}} (its http_listen_port)",
		"nats": "such as {httpGet: {path: /healthz?js-enabled-only=true, port: 8222}} (on with -m 8222)",
		"qdrant": "such as {httpGet: {path: /readyz, port: 6333}}",
		"kafka": "such as tcpSocket on its client port (9092 by default)",
		"dgraph": "such as tcpSocket on its client port",
		"etcd": "such as an exec of its own ping command",
	} {
		some v in found(request([container({"engine": engine})]))
		endswith(v.fix, text)
	}
}
