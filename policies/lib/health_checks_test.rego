package stategate.lib.health_checks_test

import data.stategate.lib.health_checks

runs(command) := {"kind": "exec", "command": command}

mongo(command, image, major) := {"command": command, "workload": {
	"engine": {"name": "mongodb", "container": "db", "major": major},
	"containers": [{"name": "db", "engine": "mongodb", "image": {"repository": image}}],
}}

gone(one) := programs if {
	some container in one.workload.containers
	programs := [program |
		program := health_checks.gone(container, {"command": one.command}) with input.workload as one.workload
	]
}

test_shell_that_the_image_has_no_more if {
	every command in [
		["mongo", "--eval", "x"],
		["/usr/bin/mongo"],
		["sh", "-c", "mongo --quiet"],
		["/bin/bash", "-ec", "exec mongo"],
	] {
		gone(mongo(command, "library/mongo", 7)) == ["mongo, which its image no longer has"]
		gone(mongo(command, "bitnamilegacy/mongodb", 6)) == ["mongo, which its image no longer has"]
		gone(mongo(command, "library/mongo", 5)) == []
		gone(mongo(command, "shop/mongodb", 7)) == []
	}
	of_old := gone(mongo(["mongosh", "--disableImplicitSessions", "--eval", "x"], "library/mongo", 7))
	of_old == ["mongosh with --disableImplicitSessions, an option that it does not have"]
	every command in [["mongosh"], ["mongodump"], ["sh", "-c", "mongo || mongosh"], ["nc", "-z", "mongo", "27017"]] {
		gone(mongo(command, "library/mongo", 7)) == []
	}
}

test_redis_answers_while_it_loads if {
	every command in [
		["redis-cli", "ping"],
		["sh", "-c", "redis-cli ping"],
		["/bin/sh", "-ec", "valkey-cli -a \"$REDIS_PASSWORD\" --no-auth-warning ping"],
		["bash", "-e", "-c", "/usr/local/bin/redis-cli -h $(hostname) ping"],
		["sh", "-c", "redis-cli ping | grep -E 'PONG|LOADING'"],
		["sh", "-c", "r=$(redis-cli ping); [ \"$r\" = PONG ] || [ \"${r%% *}\" = LOADING ]"],
	] {
		health_checks.answers_while_recovering("redis", runs(command))
	}
}

test_what_takes_loading_for_a_fault_does_not_answer if {
	every command in [
		["redis-cli", "-e", "ping"],
		["sh", "-c", "redis-cli --exit-error ping"],
		["sh", "-c", "redis-cli ping | grep PONG"],
		["sh", "-c", "[ \"$(valkey-cli ping)\" = \"PONG\" ]"],
		["cat", "/tmp/healthy"],
	] {
		not health_checks.answers_while_recovering("redis", runs(command))
	}
}

test_only_some_listen_while_they_recover if {
	every engine in ["postgres", "redis", "etcd", "elasticsearch"] {
		health_checks.answers_while_recovering(engine, {"kind": "tcpSocket"})
	}
	every engine in ["mysql", "mongodb", "cassandra"] {
		not health_checks.answers_while_recovering(engine, {"kind": "tcpSocket"})
	}
	not health_checks.answers_while_recovering("postgres", runs(["pg_isready"]))
	health_checks.answers_while_recovering("mysql", runs(["sh", "-c", "/bin/pidof mysqld"]))
}

test_pauses if {
	health_checks.passes_through_pauses({"kind": "tcpSocket"})
	health_checks.passes_through_pauses(runs(["pgrep", "-x", "postgres"]))
	health_checks.passes_through_pauses(runs(["/bin/ls", "/var/lib/mysql/lost+found"]))
	not health_checks.passes_through_pauses(runs(["mysqladmin", "ping"]))
	not health_checks.passes_through_pauses(runs(["pg_isready"]))
	not health_checks.passes_through_pauses({"kind": "httpGet"})
}

test_scripts_do_not_show_what_they_ask if {
	health_checks.shown({"kind": "httpGet"})
	health_checks.shown(runs(["bash", "-c", "exec pg_isready -U app"]))
	health_checks.shown(runs(["sh", "-c", "nodetool status | grep UN"]))
	every command in [
		["/health/ping_liveness_local.sh", "5"],
		["sh", "-c", "/scripts/alive.sh"],
		["healthcheck.sh", "--connect"],
		["nodetool", "status"],
		["sh", "-c", "pg_isready; test $? -le 1"],
	] {
		not health_checks.shown(runs(command))
	}
}

test_copies if {
	asks := ["psql", "-c", "SELECT 1"]
	same := {"kind": "exec", "command": asks, "handler": {"exec": {"command": asks}}, "budget_seconds": 30}
	health_checks.copies_readiness({"liveness": same, "readiness": same}, 3)
	patient := object.union(same, {"budget_seconds": 90})
	not health_checks.copies_readiness({"liveness": patient, "readiness": same}, 3)
	not health_checks.copies_readiness({"liveness": same}, 3)
}

test_pings if {
	every command in [
		["pg_isready", "-U", "app"],
		["sh", "-c", "exec mysqladmin ping -uroot -p$MYSQL_ROOT_PASSWORD"],
		["redis-cli", "-h", "localhost", "ping"],
		["mongosh", "--eval", "db.adminCommand('ping')"],
		["sh", "-c", "echo ruok | timeout 2 nc -w 2 localhost 2181 | grep imok"],
	] {
		health_checks.pings(runs(command))
	}
	every command in [
		["sh", "-c", "pg_isready && psql -c 'SELECT 1'"],
		["sh", "-c", "redis-cli ping | grep PONG"],
		["redis-cli", "-e", "ping"],
		["mongosh", "--eval", "rs.status()"],
		["/ready.sh"],
	] {
		not health_checks.pings(runs(command))
	}
}

test_patroni_answers_while_postgres_recovers if {
	every path in ["/liveness", "/patroni"] {
		health_checks.answers_while_recovering("postgres", {"kind": "httpGet", "http_path": path})
		health_checks.answers_while_recovering("postgres", runs(["curl", "-fs", sprintf("http://localhost:8008%s", [path])]))
	}
	every path in ["/health", "/readiness", "/primary"] {
		not health_checks.answers_while_recovering("postgres", {"kind": "httpGet", "http_path": path})
	}
}

test_patroni_is_known_by_its_settings if {
	plain := {"env": [], "command": [], "args": [], "image": {"repository": "library/postgres"}}
	every way in [
		{"env": [{"name": "PATRONI_SCOPE"}]},
		{"args": ["exec patroni /etc/patroni.yaml"]},
		{"image": {"repository": "zalando/spilo-16"}},
	] {
		health_checks.patroni(object.union(plain, way))
	}
	not health_checks.patroni(plain)
}

test_health_of_other_stores_asks_no_quorum if {
	probe := {"kind": "httpGet", "http_path": "/health"}
	health_checks.depends_on_others(probe) with input.workload.engine.name as "etcd"
	not health_checks.depends_on_others(probe) with input.workload.engine.name as "postgres"
}

test_a_port_for_clients_is_asked if {
	ports := [{"port": 8083}, {"port": 8086, "protocol": "TCP"}]
	health_checks.port({"engine": "influxdb", "ports": ports}) == 8086
	health_checks.port({"engine": "redis", "ports": ports}) == 8083
	not health_checks.port({"engine": "redis", "ports": [{"port": 53, "protocol": "UDP"}]})
}

test_the_controller_of_kafka_listens_before_the_broker if {
	ports := [{"name": "client", "port": 9092}, {"name": "controller", "port": 9093}]
	document := {"workload": {"containers": [{"ports": ports}]}}
	health_checks.answers_while_recovering("kafka", {"kind": "tcpSocket", "port": 9093}) with input as document
	not health_checks.answers_while_recovering("kafka", {"kind": "tcpSocket", "port": 9092}) with input as document
}

test_ports_between_nodes if {
	scylla := {"engine": "scylla", "ports": [{"port": 9042}, {"port": 7001}]}
	health_checks.port_between_nodes(scylla) == 7001
	cassandra := object.union(scylla, {"engine": "cassandra"})
	health_checks.port_between_nodes(cassandra) == 7000 with input.workload.engine.major as 5
	health_checks.port_between_nodes(cassandra) == 7001 with input.workload.engine.major as 3
	health_checks.port_between_nodes(object.union(scylla, {"ports": []})) == 7000
}

test_galera_is_known_by_its_settings if {
	plain := {"engine": "mysql", "env": [], "command": [], "args": [], "image": {"repository": "library/mariadb"}}
	every way in [
		{"env": [{"name": "MARIADB_GALERA_CLUSTER_ADDRESS"}]},
		{"args": ["--wsrep_on=ON"]},
		{"image": {"repository": "percona/percona-xtradb-cluster"}},
	] {
		health_checks.galera(object.union(plain, way))
	}
	not health_checks.galera(plain)
}

test_web_servers_have_ports_of_their_own if {
	logs := {"engine": "victoria-metrics", "image": {"repository": "victoriametrics/victoria-logs"}, "ports": []}
	health_checks.ready(logs) == "{httpGet: {path: /health, port: 9428}} (its -httpListenAddr)"
	loki := {"engine": "loki", "ports": [{"port": 3100}, {"port": 7946}]}
	health_checks.ready(loki) == "{httpGet: {path: /ready, port: 3100}}"
	not health_checks.ready(object.union(loki, {"ports": [{"port": 80}]}))
	not health_checks.ready(object.union(loki, {"engine": "mysql"}))
	health_checks.port(loki) == 3100
	nats := health_checks.ready({"engine": "nats", "ports": [{"port": 8222}]}) with input.workload.replicas as 3
	nats == "{httpGet: {path: /healthz?js-enabled-only=true, port: 8222}}"
}

test_a_query_waits_for_the_data_of_others if {
	scylla := {"engine": "scylla"}
	health_checks.waits_for_others(scylla, runs(["cqlsh", "-e", "SELECT 1"])) with input.workload.replicas as 3
	not health_checks.waits_for_others(scylla, runs(["nodetool", "info"])) with input.workload.replicas as 3
}

mongo(command, image, major) := {"command": command, "workload": {
	"engine": {"name": "mongodb", "container": "db", "major": major},
	"containers": [{"name": "db", "engine": "mongodb", "image": {"repository": image}}],
}}

gone(one) := programs if {
	some container in one.workload.containers
	programs := [program |
		program := health_checks.gone(container, {"command": one.command}) with input.workload as one.workload
	]
}

test_an_option_that_mongosh_lacks_goes if {
	one := mongo(["mongo", "--disableImplicitSessions", "--eval", "x"], "library/mongo", 7)
	probe := {"command": one.command}
	text := health_checks.instead(one.workload.containers[0], probe) with input.workload as one.workload
	startswith(text, "Replace mongo by mongosh, without --disableImplicitSessions, and set timeoutSeconds: 10")
	of_mongosh := {"command": ["mongosh", "--disableImplicitSessions"]}
	other := health_checks.instead(one.workload.containers[0], of_mongosh) with input.workload as one.workload
	other == "Take --disableImplicitSessions out"
}

test_a_comment_asks_for_nothing if {
	quiet := {"kind": "exec", "command": ["sh", "-c", "# unlike rabbitmqctl cluster_status\nrabbitmq-diagnostics -q ping"]}
	not health_checks.asks_cluster(quiet, ["cluster_status"])
	asking := {"kind": "exec", "command": ["sh", "-c", "rabbitmqctl cluster_status # in short"]}
	health_checks.asks_cluster(asking, ["cluster_status"]) == "cluster_status"
}

test_a_node_without_http_is_asked_by_the_others_port if {
	node := {"engine": "elasticsearch", "ports": [{"port": 9200}], "env": [{"name": "http.enabled", "value": "false"}]}
	health_checks.port(node) == 9300
	health_checks.port(object.union(node, {"ports": []})) == 9300
	health_checks.port(object.union(node, {"env": [{"name": "http.enabled", "value": "true"}]})) == 9200
}
