package stategate.health.probe_startup_budget_test

import data.stategate.health.probe_startup_budget as policy

probe(delay, period, threshold) := {
	"kind": "exec",
	"command": ["sh", "-c", "mysqladmin ping || pg_isready || redis-cli ping | grep PONG"],
	"initial_delay": delay,
	"period": period,
	"failure_threshold": threshold,
	"budget_seconds": period * threshold,
	"path": ["probe"],
}

over_tcp(before) := object.union(before, {"kind": "tcpSocket"})

request(engine, probes) := {
	"workload": {"containers": [object.union({"name": "db", "role": "main", "engine": engine}, probes)]},
	"parameters": {"seconds": {"postgres": 300, "mysql": 300, "redis": 120, "prometheus": 600, "influxdb": 600}},
}

found(document) := violations if violations := policy.violation with input as document

test_startup_probe_with_time_passes if {
	found(request("postgres", {"startup": probe(0, 10, 60), "liveness": probe(0, 10, 3)})) == set()
	found(request("postgres", {"startup": probe(0, 10, 30)})) == set()
}

test_default_liveness_fails if {
	some v in found(request("postgres", {"liveness": probe(0, 10, 3)}))
	contains(v.msg, "container db is killed after 30 s of silence, but recovery of postgres may take 300 s")
	v.path == ["probe"]
	contains(v.fix, "Add a startupProbe that asks")
	contains(v.fix, "failureThreshold: 30")
}

test_short_startup_probe_fails_even_with_patient_liveness if {
	some v in found(request("mysql", {"startup": probe(15, 10, 10), "liveness": probe(600, 10, 3)}))
	contains(v.msg, "after 115 s")
	v.fix == "Set failureThreshold of the startupProbe to 29 or more"
}

test_patient_liveness_passes if found(request("postgres", {"liveness": probe(240, 10, 6)})) == set()

test_no_probe_kills_nothing if found(request("postgres", {})) == set()

test_connections_are_accepted_while_recovering if {
	found(request("postgres", {"liveness": over_tcp(probe(0, 10, 3))})) == set()
	found(request("redis", {"liveness": over_tcp(probe(0, 10, 3))})) == set()
	count(found(request("mysql", {"liveness": over_tcp(probe(0, 10, 3))}))) == 1
}

test_the_process_is_there_while_recovering if {
	every command in [["pgrep", "-f", "postgres"], ["sh", "-c", "/bin/pidof postgres"]] {
		looking := object.union(probe(0, 10, 3), {"command": command})
		found(request("postgres", {"liveness": looking})) == set()
	}
	asking := object.union(probe(0, 10, 3), {"command": ["pg_isready"]})
	count(found(request("postgres", {"liveness": asking}))) == 1
}

test_loading_is_an_answer if {
	asking := object.union(probe(20, 5, 5), {"command": ["redis-cli", "ping"]})
	found(request("redis", {"liveness": asking})) == set()
	strict := object.union(asking, {"command": ["redis-cli", "-e", "ping"]})
	count(found(request("redis", {"liveness": strict}))) == 1
}

test_what_a_script_asks_is_not_known if {
	script := object.union(probe(0, 10, 3), {"command": ["/health/alive.sh"]})
	found(request("mysql", {"liveness": script})) == set()
}

test_other_data_stores_and_helpers_pass if {
	found(request("minio", {"liveness": probe(0, 10, 3)})) == set()
	found(request("", {"liveness": probe(0, 10, 3)})) == set()
}

test_engine_told_by_annotation_is_judged if {
	document := request("", {"liveness": probe(0, 10, 3)})
	count(found(object.union(document, {"workload": {"engine": {"name": "postgres", "container": ""}}}))) == 1
}

test_seconds_are_a_parameter if {
	document := request("redis", {"liveness": probe(20, 5, 5)})
	count(found(document)) == 1
	found(object.union(document, {"parameters": {"seconds": {"redis": 45}}})) == set()
}

test_prometheus_is_healthy_while_it_replays if {
	healthy := object.union(probe(0, 10, 3), {"kind": "httpGet", "http_path": "/-/healthy"})
	found(request("prometheus", {"liveness": healthy})) == set()
	found(request("prometheus", {"liveness": over_tcp(probe(0, 10, 3))})) == set()
	by_tool := object.union(probe(0, 10, 3), {"command": ["promtool", "check", "healthy"]})
	found(request("prometheus", {"liveness": by_tool})) == set()
	ready := object.union(probe(0, 10, 3), {"kind": "httpGet", "http_path": "/-/ready"})
	count(found(request("prometheus", {"liveness": ready}))) == 1
}

test_influxdb_does_not_listen_before_its_shards_are_open if {
	document := request("influxdb", {"liveness": over_tcp(probe(0, 10, 3))})
	count(found(document)) == 1
	found(object.union(document, {"workload": {"engine": {"major": 3}}})) == set()
	count(found(object.union(document, {"workload": {"engine": {"major": 2}}}))) == 1
}

asks_patroni(path) := object.union(probe(0, 10, 3), {"kind": "httpGet", "http_path": path})

test_patroni_says_that_it_lives_while_postgres_recovers if {
	found(request("postgres", {"liveness": asks_patroni("/liveness")})) == set()
	some v in found(request("postgres", {
		"liveness": asks_patroni("/health"),
		"env": [{"name": "PATRONI_SCOPE"}],
	}))
	v.fix == "Let the livenessProbe of db ask /liveness: Patroni answers there while PostgreSQL recovers"
}

of_members(engine, probes, overrides) := object.union(request(engine, probes), {
	"workload": object.union({"replicas": 3}, overrides),
	"parameters": {"seconds": {"mysql": 300, "cassandra": 180}, "joining": {"mysql": 3600, "cassandra": 3600}},
})

at(port, before) := object.union(over_tcp(before), {"port": port})

test_a_node_joins_before_it_opens_its_port_for_clients if {
	slow := {"ports": [], "startup": at(9042, probe(0, 10, 30))}
	some v in found(of_members("cassandra", slow, {}))
	v.msg == concat("", [
		"container db is killed after 300 s of silence, but a new member of cassandra that copies its data may take 3600 s: ",
		"then it never joins",
	])
	startswith(v.fix, "Let livenessProbe and startupProbe of db ask tcpSocket on port 7000")
	found(of_members("cassandra", {"ports": [], "startup": at(7000, probe(0, 10, 30))}, {})) == set()
	found(of_members("cassandra", slow, {"replicas": 1})) == set()
	count(found(of_members("cassandra", {"ports": [], "startup": at(7000, probe(0, 10, 3))}, {}))) == 1
}

member(probes) := object.union({"command": ["mariadbd", "--wsrep-on=ON"], "args": [], "env": []}, probes)

test_a_member_of_galera_takes_a_state_transfer_first if {
	some v in found(of_members("mysql", member({"startup": at(3306, probe(0, 10, 30))}), {}))
	contains(v.msg, "may take 3600 s: then it never joins")
	v.fix == "Set failureThreshold of the startupProbe to 360 or more"
	found(of_members("mysql", member({"startup": at(3306, probe(0, 10, 360))}), {})) == set()
	found(of_members("mysql", {"command": [], "args": [], "env": [], "startup": at(3306, probe(0, 10, 30))}, {})) == set()
}
