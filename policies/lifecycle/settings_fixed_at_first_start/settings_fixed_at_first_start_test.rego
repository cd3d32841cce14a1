package stategate.lifecycle.settings_fixed_at_first_start_test

import data.stategate.lifecycle.settings_fixed_at_first_start as policy

view(engine, command, env) := {
	"kind": "StatefulSet",
	"engine": {"name": engine, "container": "db"},
	"containers": [{
		"name": "db",
		"role": "main",
		"engine": engine,
		"command": command,
		"args": [],
		"env_from": false,
		"env": [{"name": name, "value": value, "path": ["env", name]} | some name, value in env],
		"mounts": [],
		"path": ["spec", "containers", 0],
	}],
}

found(old, new) := violations if violations := policy.violation with input as {"old_workload": old, "workload": new}

mysql(args) := view("mysql", array.concat(["mysqld"], args), {})

test_lower_case_table_names if {
	some v in found(mysql([]), mysql(["--lower_case_table_names=1"]))
	v.msg == concat("", [
		"lower_case_table_names of container db changes from \"0\" to \"1\": ",
		"MySQL does not start with it, and MariaDB does not find its tables",
	])
	v.path == ["spec", "containers", 0, "command", 1]
	startswith(v.fix, "Keep \"0\" of lower_case_table_names")
	count(found(mysql(["--lower-case-table-names=1"]), mysql([]))) == 1
	found(mysql([]), mysql(["--lower-case-table-names=0"])) == set()
}

test_spellings_of_one_value if {
	found(mysql(["--innodb-page-size=16k"]), mysql(["--innodb-page-size=16384"])) == set()
	count(found(mysql([]), mysql(["--innodb-page-size=32k"]))) == 1
	found(view("mongodb", ["mongod", "--directoryperdb"], {}), view("mongodb", ["mongod", "--directoryperdb", "true"], {})) == set()
	count(found(view("mongodb", ["mongod"], {}), view("mongodb", ["mongod", "--directoryperdb"], {}))) == 1
}

test_what_has_no_default_is_compared_if_both_say_it if {
	count(found(view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "a"}), view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "b"}))) == 1
	found(view("cassandra", [], {}), view("cassandra", [], {"CASSANDRA_CLUSTER_NAME": "b"})) == set()
	count(found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--replSet", "rs1"], {}))) == 1
	found(view("mongodb", ["mongod"], {}), view("mongodb", ["mongod", "--replSet", "rs1"], {})) == set()
}

test_a_variable_may_be_the_same if {
	found(view("mongodb", ["mongod", "--replSet", "rs0"], {}), view("mongodb", ["mongod", "--replSet", "$(SET)"], {})) == set()
}

test_a_file_may_say_it if {
	old := mysql(["--lower-case-table-names=1"])
	mounts := [{"source": "configMap"}]
	new := object.union(mysql([]), {"containers": [object.union(mysql([]).containers[0], {"mounts": mounts})]})
	found(old, new) == set()
	from := object.union(mysql([]), {"containers": [object.union(mysql([]).containers[0], {"env_from": true})]})
	found(old, from) == set()
}

test_a_secret_may_say_it if {
	old := view("rabbitmq", [], {"RABBITMQ_USE_LONGNAME": "true"})
	container := object.union(old.containers[0], {"env": [{"name": "RABBITMQ_USE_LONGNAME", "from": "configMapKeyRef"}]})
	found(old, object.union(old, {"containers": [container]})) == set()
	count(found(old, view("rabbitmq", [], {}))) == 1
}
