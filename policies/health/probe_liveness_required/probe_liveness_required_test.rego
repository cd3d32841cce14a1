package stategate.health.probe_liveness_required_test

import data.stategate.health.probe_liveness_required as policy

container(overrides) := object.union(
	{"name": "db", "role": "main", "engine": "postgres", "ports": [{"port": 5432}], "path": ["containers", 0]},
	overrides,
)

request(containers) := {
	"workload": {"containers": containers},
	"parameters": {"judge_missing": true, "exclude_engines": ["rabbitmq"], "exclude_containers": []},
}

found(document) := violations if violations := policy.violation with input as document

test_probe_passes if found(request([container({"liveness": {"kind": "exec"}})])) == set()

test_no_probe_fails if {
	some v in found(request([container({})]))
	v.msg == "container db has no livenessProbe: when postgres hangs, nothing restarts it"
	v.path == ["containers", 0]
	contains(v.fix, "tcpSocket: {port: 5432}")
}

test_missing_probe_is_told_where_it_is_asked_for if {
	found(object.union(request([container({})]), {"parameters": {"judge_missing": false}})) == set()
}

test_without_ports_the_fix_names_a_command_that_is_there if {
	some v in found(request([container({"ports": []})]))
	contains(v.fix, "its own ping command")
	some nats in found(request([container({"engine": "nats", "ports": []})]))
	contains(nats.fix, "such as tcpSocket on its client port (4222 by default), and")
}

test_members_are_given_time_to_join if {
	some v in found(request([container({"engine": "cassandra", "ports": [{"port": 9042}]})]))
	contains(v.fix, "such as tcpSocket: {port: 7000} (between nodes: the CQL port opens only once it has joined), and")
	member := container({"engine": "mysql", "env": [], "command": ["mariadbd", "--wsrep-on=ON"], "args": []})
	some w in found(request([member]))
	contains(w.fix, "a startupProbe that leaves it time for a state transfer (the port opens only after it)")
}

test_startup_probe_is_no_liveness_probe if count(found(request([container({"startup": {"kind": "exec"}})]))) == 1

test_helpers_pass if {
	found(request([container({"liveness": {}}), container({"engine": "", "name": "exporter"})])) == set()
	found(request([container({"role": "init"}), container({"role": "sidecar"})])) == set()
}

test_excluded_engines_pass if found(request([container({"engine": "rabbitmq"})])) == set()

test_excluded_containers_pass if {
	document := request([container({})])
	found(object.union(document, {"parameters": {"exclude_containers": ["d*"]}})) == set()
}

test_engine_told_by_annotation_is_judged if {
	document := request([container({"engine": ""})])
	count(found(object.union(document, {"workload": {"engine": {"name": "mysql", "container": ""}}}))) == 1
}

test_patroni_is_asked_for_itself if {
	some v in found(request([container({"env": [{"name": "PATRONI_SCOPE"}], "command": [], "args": []})]))
	contains(v.fix, "httpGet: {path: /liveness, port: 8008}")
}

test_a_port_for_clients_is_asked if {
	some v in found(request([container({"engine": "influxdb", "ports": [{"port": 8083}, {"port": 8086}]})]))
	contains(v.fix, "tcpSocket: {port: 8086}")
}

test_what_is_scaled_to_nothing_fails if {
	count(found(object.union(request([container({})]), {"workload": {"replicas": 0}}))) == 1
}

test_probe_that_never_succeeds_fails if {
	probe := {"kind": "exec", "command": ["mongo", "--eval", "db.adminCommand('ping')"], "path": ["liveness"]}
	one := container({"engine": "mongodb", "image": {"repository": "library/mongo"}, "liveness": probe})
	document := object.union(request([one]), {"workload": {"engine": {"name": "mongodb", "container": "db", "major": 7}}})
	violations := found(document)
	count(violations) == 1
	some v in violations
	contains(v.msg, "runs mongo, which its image no longer has: the container is restarted over and over")
	v.path == ["liveness"]
	found(object.union(document, {"workload": {"engine": {"major": 5}}})) == set()
}
