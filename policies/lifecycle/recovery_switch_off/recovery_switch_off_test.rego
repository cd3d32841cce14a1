package stategate.lifecycle.recovery_switch_off_test

import data.stategate.lifecycle.recovery_switch_off as policy

request(engine, replicas, command, env) := {"workload": {
	"kind": "StatefulSet",
	"replicas": replicas,
	"engine": {"name": engine, "container": "db"},
	"containers": [{
		"name": "db",
		"role": "main",
		"engine": engine,
		"command": command,
		"args": [],
		"env": [{"name": name, "value": value, "path": ["env", name]} | some name, value in env],
		"path": ["spec", "containers", 0],
	}],
}}

found(engine, replicas, command, env) := violations if {
	violations := policy.violation with input as request(engine, replicas, command, env)
}

test_founding_switches_are_one_finding if {
	env := {"MARIADB_GALERA_CLUSTER_BOOTSTRAP": "yes", "MARIADB_GALERA_FORCE_SAFETOBOOTSTRAP": "yes"}
	violations := found("mysql", 3, [], env)
	count(violations) == 1
	some v in violations
	contains(v.msg, "keeps MARIADB_GALERA_CLUSTER_BOOTSTRAP and MARIADB_GALERA_FORCE_SAFETOBOOTSTRAP on")
	startswith(v.fix, "Check on each member that SHOW STATUS LIKE 'wsrep_cluster_size'")
	found("mysql", 3, [], {"MARIADB_GALERA_CLUSTER_BOOTSTRAP": "no"}) == set()
}

test_arguments_count_too if {
	count(found("mysql", 3, ["mysqld", "--wsrep_new_cluster"], {})) == 1
	count(found("mysql", 3, ["sh", "-c", "exec mysqld --wsrep-new-cluster"], {})) == 1
	count(found("etcd", 3, ["etcd", "--force-new-cluster"], {})) == 1
	count(found("etcd", 3, ["etcd", "--force-new-cluster=true"], {})) == 1
	found("etcd", 3, ["etcd", "--force-new-cluster=false"], {}) == set()
	count(found("consul", 3, ["consul", "agent", "-server", "-bootstrap"], {})) == 1
	found("consul", 3, ["consul", "agent", "-server", "-bootstrap-expect=3"], {}) == set()
}

test_one_member_may_found if {
	found("mysql", 1, ["mysqld", "--wsrep-new-cluster"], {}) == set()
	peers := {"MARIADB_GALERA_CLUSTER_ADDRESS": "gcomm://a,b,c", "MARIADB_GALERA_CLUSTER_BOOTSTRAP": "yes"}
	count(found("mysql", 1, [], peers)) == 1
	found("mysql", 3, ["mysqld", "--wsrep-cluster-address=gcomm://a,b"], {}) == set()
	some v in found("mysql", 3, ["mysqld", "--wsrep-cluster-address=gcomm://"], {})
	contains(v.fix, "; then write all members into it (gcomm://NAME-0.SERVICE,NAME-1.SERVICE,...) while another member runs")
}

test_daemon_sets_have_several_pods if {
	daemons := json.remove(request("etcd", 1, ["etcd", "--force-new-cluster"], {}), ["workload/replicas"])
	violations := policy.violation with input as object.union(daemons, {"workload": {"kind": "DaemonSet"}})
	count(violations) == 1
}

test_a_script_may_know_when if {
	found("mysql", 3, ["sh", "-c", "if first; then exec mysqld --wsrep-new-cluster; fi; exec mysqld"], {}) == set()
}

test_switches_that_damage if {
	some v in found("mysql", 1, ["mysqld", "--innodb-force-recovery=6"], {})
	contains(v.msg, "keeps --innodb-force-recovery on: every start skips")
	endswith(v.fix, "start that one without --innodb-force-recovery")
	found("mysql", 1, ["mysqld", "--innodb-force-recovery=0"], {}) == set()
	count(found("postgres", 1, ["postgres", "-c", "zero_damaged_pages=on"], {})) == 1
	found("postgres", 1, ["postgres", "-c", "zero_damaged_pages=off"], {}) == set()
	count(found("cassandra", 3, [], {"JVM_EXTRA_OPTS": "-Dcassandra.replace_address=10.0.0.7"})) == 1
	found("cassandra", 3, [], {"JVM_EXTRA_OPTS": "-Dcassandra.replace_address_first_boot=10.0.0.7"}) == set()
	count(found("zookeeper", 3, [], {"JVMFLAGS": "-Dzookeeper.snapshot.trust.empty=true"})) == 1
	count(found("rabbitmq", 3, [], {"RABBITMQ_FORCE_BOOT": "yes"})) == 1
	found("rabbitmq", 1, [], {"RABBITMQ_FORCE_BOOT": "yes"}) == set()
}

test_the_state_file_is_rewritten if {
	text := "sed -i 's/safe_to_bootstrap: 0/safe_to_bootstrap: 1/' /var/lib/mysql/grastate.dat; exec mysqld"
	some v in found("mysql", 3, ["sh", "-c", text], {})
	contains(v.msg, "sets safe_to_bootstrap to 1 at every start")
	found("mysql", 3, ["sh", "-c", concat("", ["[ -e /go ] && ", text])], {}) == set()
}
