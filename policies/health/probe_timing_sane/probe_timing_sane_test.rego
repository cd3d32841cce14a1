package stategate.health.probe_timing_sane_test

import data.stategate.health.probe_timing_sane as policy

probe(kind, timeout, period, threshold) := {
	"kind": kind,
	"timeout": timeout,
	"period": period,
	"failure_threshold": threshold,
	"budget_seconds": period * threshold,
	"path": ["probe"],
}

request(probes) := {
	"workload": {"containers": [object.union({"name": "db", "role": "main", "engine": "postgres"}, probes)]},
	"parameters": {"min_exec_timeout": 2, "min_liveness_budget": 20, "max_readiness_period": 60, "max_hang": 300},
}

found(document) := violations if violations := policy.violation with input as document

test_patient_probes_pass if {
	found(request({"liveness": probe("exec", 5, 10, 6), "readiness": probe("exec", 2, 10, 3)})) == set()
	found(request({"liveness": probe("grpc", 1, 10, 3), "readiness": probe("tcpSocket", 1, 60, 1)})) == set()
}

test_default_timeout_of_a_command_fails if {
	some v in found(request({"readiness": probe("exec", 1, 10, 3)}))
	contains(v.msg, "readinessProbe of container db: the command has 1 s to answer")
	v.path == ["probe", "timeoutSeconds"]
	v.fix == "Set timeoutSeconds to 2 or more"
}

test_startup_probe_is_judged if count(found(request({"startup": probe("exec", 1, 10, 60)}))) == 1

test_readiness_that_waits_for_minutes_fails if {
	some v in found(request({"readiness": probe("exec", 120, 10, 3)}))
	contains(v.msg, "waits 120 s for each of 3 tries")
	v.path == ["probe", "timeoutSeconds"]
	v.fix == "Set timeoutSeconds to 100 or less"
	found(request({"readiness": probe("exec", 30, 10, 5)})) == set()
}

test_patience_above_the_period_passes if {
	every name in ["startup", "liveness"] {
		found(request({name: probe("exec", 20, 5, 20)})) == set()
	}
	found(request({"readiness": probe("exec", 10, 5, 20)})) == set()
}

test_impatient_liveness_fails if {
	some v in found(request({"liveness": probe("httpGet", 1, 5, 3)}))
	contains(v.msg, "livenessProbe of container db restarts it after 15 s")
	v.fix == "Set failureThreshold to 4 or more"
	found(request({"liveness": probe("tcpSocket", 1, 5, 3)})) == set()
	found(request({"readiness": probe("tcpSocket", 1, 5, 3)})) == set()
}

test_seldom_readiness_fails if {
	some v in found(request({"readiness": probe("tcpSocket", 1, 120, 1)}))
	contains(v.msg, "readinessProbe of container db looks every 120 s")
	v.fix == "Set periodSeconds to 60 or less"
	found(request({"liveness": probe("tcpSocket", 1, 120, 1)})) == set()
}

test_copy_of_readiness_is_told_elsewhere if {
	asked := object.union(probe("exec", 5, 5, 3), {"handler": {"exec": {"command": ["pg_isready"]}}})
	found(request({"liveness": asked, "readiness": asked})) == set()
	count(found(request({"liveness": asked}))) == 1
}

test_each_fault_is_told_by_itself if {
	document := request({"liveness": probe("exec", 2, 1, 3)})
	count(found(object.union(document, {"parameters": {"min_exec_timeout": 3}}))) == 2
}

test_helpers_pass if {
	document := request({})
	helper := {"name": "exporter", "role": "main", "engine": "", "liveness": probe("exec", 1, 1, 1)}
	found({"workload": {"containers": [helper]}, "parameters": document.parameters}) == set()
}

test_probes_of_one_container_are_one_finding if {
	violations := found(request({"liveness": probe("exec", 1, 10, 6), "readiness": probe("exec", 1, 10, 3)}))
	count(violations) == 1
	some v in violations
	contains(v.msg, "livenessProbe and readinessProbe of container db: the command has 1 s to answer")
	v.fix == "Set timeoutSeconds to 2 or more in each of them"
}
