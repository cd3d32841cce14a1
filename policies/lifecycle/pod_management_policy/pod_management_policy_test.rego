package stategate.lifecycle.pod_management_policy_test

import data.stategate.lifecycle.pod_management_policy as policy

container(engine, overrides) := object.union(
	{
		"name": engine,
		"role": "main",
		"engine": engine,
		"image": {"registry": "docker.io", "repository": engine, "tag": ""},
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"mounts": [],
		"ports": [],
	},
	overrides,
)

runs(command) := {"readiness": {"kind": "exec", "command": command}}

gets(path) := {"readiness": {"kind": "httpGet", "http_path": path}}

request(operation, overrides) := {
	"review": {"operation": operation},
	"workload": object.union(
		{
			"name": "etcd",
			"namespace": "shop",
			"annotations": {},
			"replicas": 3,
			"pod_management": "OrderedReady",
			"engine": {"name": "etcd", "container": "etcd", "votes": true},
			"containers": [{"name": "metrics"}, container("etcd", runs(["etcdctl", "endpoint", "health"]))],
		},
		overrides,
	),
	"parameters": {"parallel_engines": ["etcd", "rabbitmq", "nats", "kafka", "elasticsearch", "vault", "cockroach", "consul"]},
}

of(engine, overrides) := found(request("CREATE", {
	"engine": {"name": engine, "container": engine, "votes": true},
	"containers": [container(engine, overrides)],
}))

found(document) := violations if violations := policy.violation with input as document

test_parallel_passes if found(request("CREATE", {"pod_management": "Parallel"})) == set()

test_ordered_fails if {
	some v in found(request("CREATE", {}))
	contains(v.msg, "the first pod of etcd waits for the others")
	v.path == ["spec", "podManagementPolicy"]
	startswith(v.fix, "Set podManagementPolicy: Parallel; if the StatefulSet exists: kubectl delete statefulset etcd -n shop")
}

test_one_that_exists_is_replaced if {
	some v in found(request("UPDATE", {}))
	startswith(v.fix, "kubectl delete statefulset etcd -n shop --cascade=orphan, then apply it")
}

test_other_engines_pass if found(request("CREATE", {"engine": {"name": "postgres"}})) == set()

test_members_without_a_vote_wait_for_nobody_of_their_set if {
	found(request("CREATE", {"engine": {"name": "etcd", "container": "etcd", "votes": false}})) == set()
}

test_probes_that_ask_the_others_fail if {
	every engine, path in {
		"etcd": "/health",
		"nats": "/healthz?js-server-only=true",
		"elasticsearch": "/_cluster/health",
		"vault": "/v1/sys/health",
		"cockroach": "/health?ready=1",
		"consul": "/v1/status/leader",
		"rabbitmq": "/metrics",
	} {
		joined := {"etcd": [], "vault": [{"name": "VAULT_RAFT_NODE_ID", "value": "a"}]}
		count(of(engine, object.union(gets(path), {"env": object.get(joined, engine, []), "env_from": true}))) == 1
	}
	count(of("rabbitmq", object.union(runs(["rabbitmq-diagnostics", "-q", "check_running"]), {"env_from": true}))) == 1
}

test_probes_that_a_member_answers_alone_pass if {
	every engine, path in {
		"etcd": "/health?serializable=true",
		"nats": "/healthz?js-enabled-only=true",
		"elasticsearch": "/_cluster/health?local=true",
		"vault": "/v1/sys/health?standbyok=true",
		"cockroach": "/health",
	} {
		of(engine, object.union(gets(path), {"env_from": true})) == set()
	}
	of("rabbitmq", object.union(runs(["rabbitmq-diagnostics", "-q", "ping"]), {"env_from": true})) == set()
	of("etcd", object.union({"readiness": {"kind": "tcpSocket", "port": 2379}}, {"env_from": true})) == set()
}

kafka(roles, readiness) := of("kafka", {
	"env": [{"name": "KAFKA_PROCESS_ROLES", "value": roles}, {"name": "KAFKA_CONTROLLER_QUORUM_VOTERS", "value": "a,b"}],
	"ports": [{"port": 9092, "name": "clients"}, {"port": 29093, "name": "controller"}],
	"readiness": readiness,
})

test_brokers_that_are_their_own_controllers_wait if {
	count(kafka("broker,controller", {"kind": "tcpSocket", "port": 9092})) == 1
	count(kafka("broker,controller", {"kind": "exec", "command": ["kafka-broker-api-versions.sh"]})) == 1
	kafka("broker,controller", {"kind": "tcpSocket", "port": 9093}) == set()
	kafka("broker,controller", {"kind": "tcpSocket", "port": 29093}) == set()
	kafka("controller", {"kind": "tcpSocket", "port": 9092}) == set()
}

test_one_replica_waits_for_nobody if found(request("CREATE", {"replicas": 1})) == set()

test_without_a_probe_it_is_ready_at_once if {
	of("etcd", {}) == set()
}
