package stategate.health.probe_liveness_required_test

import data.stategate.health.probe_liveness_required as policy

container(overrides) := object.union(
	{"name": "db", "role": "main", "engine": "postgres", "ports": [{"port": 5432}], "path": ["containers", 0]},
	overrides,
)

request(containers) := {
	"workload": {"containers": containers},
	"parameters": {"exclude_engines": ["rabbitmq"], "exclude_containers": []},
}

found(document) := violations if violations := policy.violation with input as document

test_probe_passes if found(request([container({"liveness": {"kind": "exec"}})])) == set()

test_no_probe_fails if {
	some v in found(request([container({})]))
	v.msg == "container db has no livenessProbe: when postgres hangs, nothing restarts it"
	v.path == ["containers", 0]
	contains(v.fix, "tcpSocket: {port: 5432}")
}

test_without_ports_the_fix_names_a_command if {
	some v in found(request([container({"ports": []})]))
	contains(v.fix, "its own ping command")
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
