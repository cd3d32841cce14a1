package stategate.security.authentication_required_test

import data.stategate.security.authentication_required as policy

path := ["spec", "template", "spec", "containers", 0, "env", 0]

request(engine, name, value) := {
	"workload": {"containers": [{
		"name": "db",
		"engine": engine,
		"env": [{"name": name, "value": value, "path": path}],
	}]},
	"parameters": {"switches": {"POSTGRES_HOST_AUTH_METHOD": ["trust"], "ALLOW_EMPTY_PASSWORD": ["yes", "true"], "MYSQL_ALLOW_EMPTY_PASSWORD": ["?*"]}},
}

found(document) := violations if violations := policy.violation with input as document

test_trust_fails if {
	some v in found(request("postgres", "POSTGRES_HOST_AUTH_METHOD", "trust"))
	v.msg == "POSTGRES_HOST_AUTH_METHOD=trust lets everybody who reaches container db in without a password"
	v.path == path
	contains(v.fix, "Take POSTGRES_HOST_AUTH_METHOD out")
}

test_letters_may_be_capital if count(found(request("redis", "ALLOW_EMPTY_PASSWORD", "Yes"))) == 1

test_other_values_pass if {
	found(request("postgres", "POSTGRES_HOST_AUTH_METHOD", "scram-sha-256")) == set()
	found(request("redis", "ALLOW_EMPTY_PASSWORD", "no")) == set()
}

test_other_variables_pass if found(request("postgres", "POSTGRES_DB", "trust")) == set()

test_helpers_pass if found(request("", "ALLOW_EMPTY_PASSWORD", "yes")) == set()

test_value_from_elsewhere_passes if {
	found(json.remove(request("redis", "ALLOW_EMPTY_PASSWORD", "yes"), ["workload/containers/0/env/0/value"])) == set()
}

# The entrypoint of the image only checks whether there is a value.
test_any_value_opens_mysql if {
	count(found(request("mysql", "MYSQL_ALLOW_EMPTY_PASSWORD", "no"))) == 1
	found(request("mysql", "MYSQL_ALLOW_EMPTY_PASSWORD", "")) == set()
}

beside(other) := object.union(request("redis", "", ""), {"workload": {"containers": [{
	"name": "db",
	"engine": "redis",
	"env": [{"name": "ALLOW_EMPTY_PASSWORD", "value": "yes", "path": path}, other],
}]}})

test_password_that_is_given_counts if {
	found(beside({"name": "REDIS_PASSWORD", "from": "secretKeyRef"})) == set()
	found(beside({"name": "REDIS_PASSWORD_FILE", "value": "/run/pw"})) == set()
	count(found(beside({"name": "REDIS_PASSWORD", "value": ""}))) == 1
	count(found(beside({"name": "MYSQL_ALLOW_EMPTY_PASSWORD", "value": ""}))) == 1
}

started(engine, words) := {
	"workload": {"containers": [{"name": "db", "engine": engine, "env": [], "args": words, "path": ["c"]}]},
	"parameters": {"switches": {}, "flags": {"cockroach": ["--insecure"]}},
}

test_flag_fails if {
	some v in found(started("cockroach", ["start", "--insecure"]))
	v.msg == "--insecure lets everybody who reaches container db in without a password"
	v.path == ["c", "args", 1]
	found(started("cockroach", ["start", "--certs-dir=/certs"])) == set()
	found(started("redis", ["--insecure"])) == set()
}
