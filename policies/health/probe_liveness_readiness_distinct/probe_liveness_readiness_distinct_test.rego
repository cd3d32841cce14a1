package stategate.health.probe_liveness_readiness_distinct_test

import data.stategate.health.probe_liveness_readiness_distinct as policy

exec(command, threshold) := {
	"kind": "exec",
	"handler": {"exec": {"command": command}},
	"command": command,
	"period": 10,
	"budget_seconds": 10 * threshold,
	"path": ["probe"],
}

get(path, written, port) := {
	"kind": "httpGet",
	"handler": {"httpGet": {"path": path, "port": written, "scheme": "HTTP"}},
	"http_path": path,
	"port": port,
	"period": 10,
	"budget_seconds": 30,
	"path": ["probe"],
}

request(liveness, readiness) := {
	"workload": {"containers": [{"name": "db", "role": "main", "engine": "postgres", "liveness": liveness, "readiness": readiness}]},
	"parameters": {"slack": 3},
}

found(document) := violations if violations := policy.violation with input as document

test_same_command_fails if {
	some v in found(request(exec(["/alive.sh"], 3), exec(["/alive.sh"], 3)))
	contains(v.msg, "of container db ask the same: after 30 s of not being ready it is restarted")
	v.path == ["probe"]
	contains(v.fix, "failureThreshold to 9 or more")
}

test_own_ping_may_be_asked_twice if {
	found(request(exec(["pg_isready"], 3), exec(["pg_isready"], 3))) == set()
}

test_other_command_passes if found(request(exec(["redis-cli", "ping"], 3), exec(["/ready.sh"], 3))) == set()

test_patient_liveness_passes if {
	found(request(exec(["/alive.sh"], 9), exec(["/alive.sh"], 3))) == set()
	count(found(request(exec(["/alive.sh"], 8), exec(["/alive.sh"], 3)))) == 1
}

test_a_port_s_name_is_its_number if {
	count(found(request(get("/", "http", 9200), get("/", 9200, 9200)))) == 1
	found(request(get("/", "http", 9200), get("/", 9300, 9300))) == set()
	found(request(get("/live", 9200, 9200), get("/ready", 9200, 9200))) == set()
}

test_other_kinds_of_question_pass if found(request(exec(["/alive.sh"], 3), get("/", 9200, 9200))) == set()

test_one_probe_alone_passes if {
	document := request(exec(["/alive.sh"], 3), exec(["/alive.sh"], 3))
	some container in document.workload.containers
	alone := object.remove(container, ["readiness"])
	found({"workload": {"containers": [alone]}, "parameters": document.parameters}) == set()
}

test_containers_that_run_no_data_store_pass if {
	document := request(exec(["/alive.sh"], 3), exec(["/alive.sh"], 3))
	some container in document.workload.containers
	other := object.union(container, {"engine": ""})
	found({"workload": {"containers": [other]}, "parameters": document.parameters}) == set()
}

test_sidecars_pass if {
	document := request(exec(["/alive.sh"], 3), exec(["/alive.sh"], 3))
	some container in document.workload.containers
	sidecar := object.union(container, {"role": "sidecar"})
	found({"workload": {"containers": [sidecar]}, "parameters": document.parameters}) == set()
}

test_slack_is_a_parameter if {
	document := request(exec(["/alive.sh"], 3), exec(["/alive.sh"], 3))
	found(object.union(document, {"parameters": {"slack": 1}})) == set()
}

test_an_open_port_may_be_asked_for_twice if {
	tcp := {"kind": "tcpSocket", "handler": {"tcpSocket": {"port": 9092}}, "port": 9092, "period": 10, "budget_seconds": 30, "path": ["probe"]}
	found(request(tcp, tcp)) == set()
}

test_check_of_the_cluster_is_told_elsewhere if {
	found(request(exec(["etcdctl", "endpoint", "health"], 3), exec(["etcdctl", "endpoint", "health"], 3))) == set()
	found(request(get("/health", 2379, 2379), get("/health", 2379, 2379))) == set()
}

test_patroni_has_a_lesser_question if {
	document := request(get("/readiness", 8008, 8008), get("/readiness", 8008, 8008))
	some container in document.workload.containers
	patroni := object.union(container, {"env": [{"name": "PATRONI_SCOPE"}], "command": [], "args": []})
	some v in found({"workload": {"containers": [patroni]}, "parameters": document.parameters})
	contains(v.fix, "ask less (/liveness of Patroni)")
	some w in found(document)
	contains(w.fix, "ask less (tcpSocket)")
}
