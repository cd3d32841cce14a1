package stategate.health.probe_liveness_no_dependency_test

import data.stategate.health.probe_liveness_no_dependency as policy

request(engine, liveness) := {
	"workload": {"containers": [{
		"name": "db",
		"role": "main",
		"engine": engine,
		"liveness": object.union({"path": ["probe"]}, liveness),
	}]},
	"parameters": {
		"cluster_commands": ["_cluster/health", "cluster info", "nodetool status", "echo mntr"],
		"cluster_paths": ["/_cluster/health"],
		"role_paths": ["/primary"],
	},
}

runs(command) := request("", {"kind": "exec", "command": command})

gets(engine, path) := request(engine, {"kind": "httpGet", "http_path": path})

found(document) := violations if violations := policy.violation with input as document

test_readiness_of_cockroach_fails if {
	every document in [
		gets("cockroach", "/health?ready=1"),
		runs(["curl", "-fk", "https://localhost:8080/health?ready=1"]),
	] {
		of_cockroach := object.union(document, {"workload": {"engine": {"name": "cockroach"}}})
		some v in found(of_cockroach)
		contains(v.msg, "(/health?ready=1): while it reaches no majority, every node is restarted")
		found(document) == set()
	}
	both := object.union(runs(["sh", "-c", "curl localhost:8080/health?ready=1 && ! nodetool status | grep ^DN"]), {
		"workload": {"engine": {"name": "cockroach"}},
	})
	count(found(both)) == 1
	found(object.union(gets("cockroach", "/health"), {"workload": {"engine": {"name": "cockroach"}}})) == set()
}

test_its_own_ping_passes if {
	every command in [
		["pg_isready", "-h", "127.0.0.1"],
		["redis-cli", "ping"],
		["rabbitmq-diagnostics", "-q", "ping"],
		["nodetool", "info"],
		["sh", "-c", "mysqladmin ping -h \"$HOSTNAME\""],
	] {
		found(runs(command)) == set()
	}
	found(request("", {"kind": "tcpSocket", "port": 5432})) == set()
	found(gets("", "/minio/health/live")) == set()
}

test_another_host_in_a_command_fails if {
	some v in found(runs(["mysqladmin", "ping", "-h", "mysql-primary"]))
	v.msg == "liveness of container db asks mysql-primary: when that is down, every pod is restarted"
	v.path == ["probe"]
	contains(v.fix, "ask the pod itself")
}

test_another_host_of_the_handler_fails if {
	some v in found(request("", {"kind": "httpGet", "http_path": "/", "host": "search.shop.svc"}))
	contains(v.msg, "asks search.shop.svc")
	found(request("", {"kind": "httpGet", "http_path": "/", "host": "127.0.0.1"})) == set()
}

test_cluster_commands_fail if {
	some elastic in found(runs(["sh", "-c", "curl -sf localhost:9200/_cluster/health?wait_for_status=green"]))
	contains(elastic.msg, "asks for the cluster (_cluster/health)")
	every command in [
		["sh", "-c", "redis-cli CLUSTER INFO | grep cluster_state:ok"],
		["sh", "-c", "! nodetool status | grep -E '^DN '"],
		["sh", "-c", "nodetool status | grep -E \"^UN +$POD_IP\""],
		["sh", "-c", "echo 'mntr' | nc localhost 2181 | grep -E 'leader|follower'"],
	] {
		count(found(runs(command))) == 1
	}
}

test_what_is_only_printed_passes if {
	every command in [
		["redis-cli", "CLUSTER", "INFO"],
		["nodetool", "status"],
		["sh", "-c", "echo 'mntr' | nc localhost 2181"],
	] {
		found(runs(command)) == set()
	}
}

test_what_follows_is_said_of_each_check if {
	some etcd in found(gets("etcd", "/health"))
	contains(etcd.msg, "without a quorum, every member is restarted")
	running := object.union(
		runs(["rabbitmq-diagnostics", "check_running"]),
		{"parameters": {"cluster_commands": ["check_running", "quorum_critical"]}},
	)
	some rabbit in found(running)
	contains(rabbit.msg, "a member that waits for its peers is restarted")
	critical := object.union(
		runs(["rabbitmq-diagnostics", "check_if_node_is_quorum_critical"]),
		{"parameters": {"cluster_commands": ["check_running", "quorum_critical"]}},
	)
	some other in found(critical)
	contains(other.msg, "one lost peer restarts every member")
}

test_two_such_words_are_one_fault if {
	count(found(runs(["sh", "-c", "curl -f localhost:9200/_cluster/health && redis-cli cluster info | grep ok"]))) == 1
}

test_paths_of_the_cluster_fail if {
	count(found(gets("elasticsearch", "/_cluster/health?wait_for_status=yellow"))) == 1
}

test_what_the_node_itself_knows_passes if {
	found(gets("elasticsearch", "/_cluster/health?local=true")) == set()
	found(runs(["curl", "-f", "http://localhost:9200/_cluster/health?local=true"])) == set()
	count(found(gets("elasticsearch", "/_cluster/health?local=true&wait_for_status=green"))) == 1
}

test_health_of_etcd_goes_through_the_leader if {
	count(found(gets("etcd", "/health"))) == 1
	found(gets("etcd", "/health?serializable=true")) == set()
	found(gets("vault", "/health")) == set()
}

test_sidecars_and_containers_without_liveness_pass if {
	document := runs(["nodetool", "status"])
	some container in document.workload.containers
	sidecar := object.union(container, {"role": "sidecar"})
	none := object.remove(container, ["liveness"])
	found({"workload": {"containers": [sidecar, none]}, "parameters": document.parameters}) == set()
}

test_paths_of_a_role_fail if {
	some v in found(gets("postgres", "/primary"))
	contains(v.msg, "asks for its role (/primary): every member without that role is restarted")
	v.path == ["probe"]
	contains(v.fix, "the process itself")
	document := gets("postgres", "/primary")
	some container in document.workload.containers
	patroni := object.union(container, {"env": [{"name": "SPILO_PROVIDER"}]})
	some w in found(object.union(document, {"workload": {"containers": [patroni]}}))
	contains(w.fix, "ask /liveness, and the readinessProbe the rest")
}

test_health_of_vault_tells_the_role if {
	some v in found(gets("vault", "/v1/sys/health"))
	contains(v.fix, "/v1/sys/health?standbyok=true&sealedcode=204&uninitcode=204")
	found(gets("vault", "/v1/sys/health?standbyok=true")) == set()
	found(gets("vault", "/v1/sys/health?standbycode=200")) == set()
	found(gets("", "/v1/sys/health")) == set()
	found(object.union(gets("vault", "/v1/sys/health"), {"workload": {"engine": {"volatile": true}}})) == set()
}

test_what_only_begins_like_a_cluster_command_passes if {
	found(runs(["nodetool", "statusgossip"])) == set()
	found(runs(["sh", "-c", "nodetool statusbinary | grep running"])) == set()
	count(found(runs(["sh", "-c", "nodetool statusbinary && ! nodetool status | grep '^DN'"]))) == 1
}

test_fix_names_the_engine_s_own_question if {
	some etcd in found(gets("etcd", "/health"))
	contains(etcd.fix, "such as httpGet /livez")
	some other in found(runs(["sh", "-c", "! nodetool status | grep ^DN"]))
	contains(other.fix, "such as its own ping command or tcpSocket")
}

# What a node that joins, or a member that takes a state transfer, answers.
test_fix_lets_members_join if {
	joining := {"workload": {"containers": [{
		"name": "db",
		"role": "main",
		"engine": "cassandra",
		"ports": [],
		"liveness": {"path": ["probe"], "kind": "exec", "command": ["sh", "-c", "nodetool status | grep UN"]},
	}]}}
	some cassandra in found(object.union(runs([]), joining))
	contains(cassandra.fix, "such as tcpSocket on port 7000 (between nodes: the CQL port opens only once it has joined)")
	galera := object.union(
		request("mysql", {"kind": "exec", "command": ["sh", "-c", "mysql -e \"show status like 'wsrep_ready'\" | grep ON"]}),
		{"parameters": {"cluster_commands": ["wsrep_"]}},
	)
	some v in found(galera)
	contains(v.fix, "its own ping command (with a startupProbe as long as a state transfer")
}

test_no_answer_passes_a_test_for_one_answer if {
	found(runs(["sh", "-c", "[ \"$(curl -s https://ifconfig.co/city)\" != \"${VPN_CITY}\" ]"])) == set()
	count(found(runs(["sh", "-c", "[ \"$(curl -s https://ifconfig.co/city)\" = \"${VPN_CITY}\" ]"]))) == 1
	count(found(runs(["sh", "-c", "curl -f https://ifconfig.co && [ \"$(curl -s https://a.example)\" != \"b\" ]"]))) > 0
}
