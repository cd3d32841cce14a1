package stategate.encryption.encryption_in_transit_workload_test

import data.stategate.encryption.encryption_in_transit_workload as policy

request(annotations, container) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "sessions",
		"annotations": annotations,
		"engine": {"name": "redis", "path": ["image"]},
		"containers": [
			{"name": "exporter", "engine": "", "command": [], "args": ["--tls-port=9121"], "env": []},
			object.union({"name": "redis", "engine": "redis", "command": [], "args": [], "env": []}, container),
		],
	},
	"parameters": {
		"tls_arguments": ["*--tls*", "*ssl=on*"],
		"tls_variables": ["*enable_tls", "*tls_cert*"],
	},
}

found(document) := violations if violations := policy.violation with input as document

test_nothing_said_fails if {
	some v in found(request({}, {"args": ["--appendonly", "yes"]}))
	contains(v.msg, "nothing says that connections to redis sessions are encrypted")
	v.path == ["image"]
	contains(v.fix, "annotate stategate.io/tls: native or mesh")
}

test_arguments_are_believed if {
	found(request({}, {"args": ["--tls-port", "6379"]})) == set()
	found(request({}, {"command": ["postgres", "-c", "SSL=on"]})) == set()
}

test_variables_are_believed if {
	found(request({}, {"env": [{"name": "POSTGRESQL_ENABLE_TLS", "value": "yes"}]})) == set()
	found(request({}, {"env": [{"name": "REDIS_TLS_CERT_FILE", "from": "secretKeyRef"}]})) == set()
}

test_variables_that_turn_it_off_are_not if {
	every value in ["", "no", "False", "0", "off"] {
		count(found(request({}, {"env": [{"name": "POSTGRESQL_ENABLE_TLS", "value": value}]}))) == 1
	}
}

test_annotation_is_believed if {
	found(request({"stategate.io/tls": "native"}, {})) == set()
	found(request({"stategate.io/tls": "mesh"}, {})) == set()
	count(found(request({"stategate.io/tls": "none"}, {}))) == 1
}

test_no_engine_passes if {
	document := request({}, {})
	found({"workload": object.remove(document.workload, ["engine"]), "parameters": document.parameters}) == set()
}

test_arguments_that_turn_it_off_are_not if {
	every words in [["--tls-port", "0"], ["--tls=disabled"]] {
		count(found(request({}, {"args": words}))) == 1
	}
}
