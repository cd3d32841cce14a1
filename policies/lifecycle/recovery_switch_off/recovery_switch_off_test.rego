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
	found("mysql", 3, [], {"MARIADB_GALERA_CLUSTER_BOOTSTRAP": ""}) == set()
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

emptying(command) := violations if {
	mount := {"volume": "data", "mount_path": "/var/lib/postgresql", "source": "volumeClaimTemplate", "read_only": false}
	dir := {"container": "db", "dir": "/var/lib/postgresql/data", "origin": "default", "mount": mount}
	init := {"name": "tidy", "role": "init", "engine": "", "command": command, "args": [], "env": [], "mounts": [mount], "path": ["init"]}
	violations := policy.violation with input as {"workload": {
		"kind": "StatefulSet",
		"replicas": 1,
		"engine": {"name": "postgres", "container": "db", "data_dirs": [dir]},
		"containers": [init],
	}}
}

test_a_directory_that_is_emptied_at_each_start_fails if {
	every script in [
		"rm -rf /var/lib/postgresql/data/*", "chown 999 /x; rm -Rf \"/var/lib/postgresql/data\"",
		"find /var/lib/postgresql -mindepth 1 -delete 2>/dev/null || true",
	] {
		some v in emptying(["sh", "-c", script])
		contains(v.msg, "init container tidy empties /var/lib/postgresql")
	}
	every script in [
		"rm -rf /var/lib/postgresql/data/lost+found", "rm -f /var/lib/postgresql/data/*", "rm -rf /tmp/*",
		"if [ -e /wipe ]; then rm -rf /var/lib/postgresql/data/*; fi", "test -e /wipe && rm -rf /var/lib/postgresql/data/*",
		"wipe() {\nrm -rf /var/lib/postgresql/data/*\n}\nchown 999 /x", "cat > /help <<END\nrm -rf /var/lib/postgresql/data/*\nEND",
		"find /var/lib/postgresql -name '*.tmp' -delete", "find /var/lib/postgresql -type d -exec chmod 700 {} +",
	] {
		emptying(["sh", "-c", script]) == set()
	}
}

elsewhere(role, script, at, sub) := violations if {
	mount := {"volume": "data", "mount_path": "/data/db", "sub_path": "db", "source": "volumeClaimTemplate", "read_only": false}
	own := {"volume": "data", "mount_path": at, "sub_path": sub, "source": "volumeClaimTemplate", "read_only": false}
	container := {
		"name": "tidy", "role": role, "engine": "", "command": ["sh", "-c", script], "args": [], "env": [],
		"mounts": [own], "path": ["c"],
	}
	violations := policy.violation with input as {"workload": {
		"kind": "StatefulSet",
		"replicas": 1,
		"engine": {"name": "mongodb", "container": "db", "data_dirs": [{"container": "db", "dir": "/data/db", "origin": "default", "mount": mount}]},
		"containers": [container],
	}}
}

test_what_is_emptied_is_known_by_its_volume if {
	some v in elsewhere("init", "rm -rf /d/*", "/d", "")
	contains(v.msg, "init container tidy empties /d at every start")
	count(elsewhere("init", "rm -rf /d/db", "/d", "")) == 1
	count(elsewhere("init", "rm -rf /d/*", "/d", "db")) == 1
	elsewhere("init", "rm -rf /d/logs", "/d", "") == set()
	elsewhere("init", "rm -rf /d/*", "/d", "logs") == set()
	some w in elsewhere("main", "rm -rf /data/db/* && exec mongod --auth", "/data/db", "db")
	startswith(w.msg, "container tidy empties /data/db at every start")
	elsewhere("init", "rm -rf /d/* && mongodump --archive | mongorestore --archive", "/d", "") == set()
}

test_writes_that_a_crash_tears_are_told if {
	some v in found("postgres", 1, ["postgres", "-c", "fsync=off"], {})
	contains(v.msg, "keeps fsync=off: a crash of the node may leave files that nothing can read")
	startswith(v.fix, "Remove fsync=off, and restart")
	found("postgres", 1, ["postgres", "-c", "fsync=on"], {}) == set()
	count(found("postgres", 1, ["postgres", "-c", "full_page_writes=off"], {})) == 1
	some w in found("mongodb", 1, ["mongod", "--repair"], {})
	contains(w.msg, "keeps --repair on: every start writes all files anew")
}

test_one_member_may_found if {
	found("mysql", 1, ["mysqld", "--wsrep-new-cluster"], {}) == set()
	peers := {"MARIADB_GALERA_CLUSTER_ADDRESS": "gcomm://a,b,c", "MARIADB_GALERA_CLUSTER_BOOTSTRAP": "yes"}
	count(found("mysql", 1, [], peers)) == 1
	found("mysql", 3, ["mysqld", "--wsrep-cluster-address=gcomm://a,b"], {}) == set()
	some v in found("mysql", 3, ["mysqld", "--wsrep-cluster-address=gcomm://"], {})
	contains(v.fix, "; then write all members into --wsrep-cluster-address, as gcomm://NAME-0.SERVICE,NAME-1.SERVICE,... while another member runs")
	some w in found("mysql", 3, ["mysqld", "--wsrep-new-cluster", "--wsrep-cluster-address=gcomm://"], {})
	contains(w.fix, "NAME-1.SERVICE,..., and remove --wsrep-new-cluster while another member runs")
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

test_group_replication_is_founded_once if {
	some v in found("mysql", 3, ["mysqld", "--loose-group-replication-bootstrap-group=ON"], {})
	contains(v.msg, "keeps --loose-group-replication-bootstrap-group on: a pod that restarts founds")
	startswith(v.fix, "Check on each member that performance_schema.replication_group_members lists all")
	found("mysql", 3, ["mysqld", "--loose-group-replication-bootstrap-group=OFF"], {}) == set()
}

with_file(engine, replicas, command, file, text) := violations if {
	plain := request(engine, replicas, command, {})
	container := object.union(plain.workload.containers[0], {
		"files": [{"path": file, "text": text}],
		"mounts": [{"mount_path": "/etc/mysql/conf.d", "path": ["mounts", 0]}, {"mount_path": "/e", "path": ["mounts", 1]}],
	})
	violations := policy.violation with input as object.union(plain, {"workload": {"containers": [container]}})
}

test_files_of_config_maps_count if {
	some e in with_file("etcd", 3, ["etcd", "--config-file=/e/etcd.yml"], "/e/etcd.yml", "name: a\nforce-new-cluster: true\n")
	contains(e.msg, "keeps force-new-cluster (in /e/etcd.yml) on: a pod that restarts founds")
	with_file("etcd", 3, ["etcd", "--config-file=/e/etcd.yml"], "/e/etcd.yml", "force-new-cluster: false\n") == set()
	some v in with_file("mysql", 1, [], "/etc/mysql/conf.d/g.cnf", "[mysqld]\ninnodb_force_recovery = 6\n")
	startswith(v.msg, "container db keeps innodb_force_recovery (in /etc/mysql/conf.d/g.cnf) on: every start skips")
	v.path == ["mounts", 0]
	some w in with_file("mysql", 3, [], "/etc/mysql/conf.d/g.cnf", "[mysqld]\nwsrep_cluster_address=gcomm://\n")
	contains(w.fix, "; then write all members into wsrep_cluster_address (in /etc/mysql/conf.d/g.cnf), as gcomm://NAME-0.SERVICE")
	with_file("mysql", 3, [], "/etc/mysql/conf.d/g.cnf", "[mysqld]\nwsrep_cluster_address=gcomm://a,b\n") == set()
	with_file("mysql", 1, [], "/etc/mysql/conf.d/g.cnf", "# innodb_force_recovery = 6\n") == set()
	with_conf := ["-c", "config_file=/e/postgresql.conf"]
	count(with_file("postgres", 1, with_conf, "/e/postgresql.conf", "zero_damaged_pages = on\n")) == 1
	with_file("postgres", 1, [], "/e/postgresql.conf", "zero_damaged_pages = on\n") == set()
	off := array.concat(with_conf, ["-c", "zero_damaged_pages=off"])
	with_file("postgres", 1, off, "/e/postgresql.conf", "zero_damaged_pages = on\n") == set()
	with_file("etcd", 3, [], "/e/etcd.conf", "force-new-cluster: true\n") == set()
}

test_file_in_the_data_directory_is_read if {
	plain := request("postgres", 1, [], {})
	container := object.union(plain.workload.containers[0], {
		"files": [{"path": "/e/postgresql.conf", "text": "zero_damaged_pages = on\n"}],
		"mounts": [{"mount_path": "/e", "path": ["mounts", 0]}],
	})
	dirs := {"engine": {"data_dirs": [{"dir": "/e", "container": "db"}]}}
	document := object.union(plain, {"workload": object.union({"containers": [container]}, dirs)})
	violations := policy.violation with input as document
	count(violations) == 1
}

test_etcd_alone if {
	some v in found("etcd", 1, ["etcd", "--force-new-cluster"], {})
	contains(v.msg, "keeps --force-new-cluster on: every restart makes a cluster of one of it again")
	contains(v.fix, "reports the member as healthy, remove --force-new-cluster: its data")
	count(found("etcd", 1, [], {"ETCD_FORCE_NEW_CLUSTER": "true"})) == 1
	count(found("etcd", 3, ["etcd", "--force-new-cluster"], {})) == 1
}

test_commands_of_recovery if {
	some v in found("postgres", 1, ["pg_resetwal", "-f", "/var/lib/postgresql/data"], {})
	contains(v.msg, "container db runs pg_resetwal at every start: it throws the write-ahead log away")
	found("postgres", 1, ["pg_resetwal", "-n", "/var/lib/postgresql/data"], {}) == set()
	found("postgres", 1, ["sh", "-c", "[ -e /data/reset ] && pg_resetwal -f /data; exec postgres"], {}) == set()
	boots := ["sh", "-c", "rabbitmqctl force_boot; exec rabbitmq-server"]
	count(found("rabbitmq", 3, boots, {})) == 1
	found("rabbitmq", 1, boots, {}) == set()
	found("rabbitmq", 3, ["rabbitmqctl", "status"], {}) == set()
	count(found("elasticsearch", 3, ["sh", "-c", "yes | bin/elasticsearch-node unsafe-bootstrap"], {})) == 1
	found("elasticsearch", 3, ["bin/elasticsearch-node", "repurpose"], {}) == set()
	found("kafka", 3, ["pg_resetwal"], {}) == set()
}

test_the_state_file_is_rewritten if {
	text := "sed -i 's/safe_to_bootstrap: 0/safe_to_bootstrap: 1/' /var/lib/mysql/grastate.dat; exec mysqld"
	some v in found("mysql", 3, ["sh", "-c", text], {})
	contains(v.msg, "sets safe_to_bootstrap to 1 at every start")
	found("mysql", 3, ["sh", "-c", concat("", ["[ -e /go ] && ", text])], {}) == set()
}

test_a_consul_that_expects_one_founds_alone if {
	some v in found("consul", 3, ["consul", "agent", "-server", "-bootstrap-expect=1", "-retry-join=c-0.c"], {})
	v.msg == concat("", [
		"container db keeps -bootstrap-expect=1 on: servers with it on never join each other: ",
		"each is a cluster of its own",
	])
	contains(v.fix, "; then set -bootstrap-expect to the number of servers; such a server joins only with")
	count(found("consul", 3, ["consul", "agent", "-server", "-bootstrap-expect", "1"], {})) == 1
	found("consul", 1, ["consul", "agent", "-server", "-bootstrap-expect=1"], {}) == set()
	some both in found("consul", 3, ["consul", "agent", "-server", "-bootstrap", "-bootstrap-expect=1"], {})
	contains(both.fix, "then set -bootstrap-expect to the number of servers, and remove --bootstrap; such a server")
}

# Unlike those of Galera, they do not get the data of the cluster over their own.
test_what_was_a_cluster_joins_empty if {
	some etcd in found("etcd", 3, ["etcd", "--force-new-cluster"], {})
	contains(etcd.msg, "a pod that restarts founds a cluster of its own")
	endswith(etcd.fix, concat("", [
		"then remove --force-new-cluster; such a member joins only with an empty data directory, ",
		"after etcdctl member add on one that is in it",
	]))
}

cut(script) := violations if violations := policy.violation with input as {"workload": {
	"engine": {"name": "redis", "container": "redis", "data_dirs": []},
	"replicas": 1,
	"containers": [{
		"name": "fix-aof",
		"role": "init",
		"engine": "",
		"path": ["i"],
		"command": ["bash", "-c", script],
		"args": [],
		"env": [],
		"mounts": [],
	}],
}}

test_a_log_that_is_cut_at_every_start_fails if {
	some v in cut("for f in /data/appendonlydir/*.aof; do yes | redis-check-aof --fix \"$f\" || true; done")
	startswith(v.msg, "container fix-aof repairs the append-only log at every start: that cuts it at the first damage")
	v.path == ["i"]
	count(cut("if ! redis-check-aof /data/a.aof; then echo y | /usr/local/bin/redis-check-aof --fix /data/a.aof; fi")) == 1
	count(cut("[ -f /data/a.aof ] && yes | redis-check-aof --fix /data/a.aof")) == 1
	cut(`if [ "$REPAIR" = yes ]; then yes | redis-check-aof --fix /data/a.aof; fi`) == set()
	cut("redis-check-aof /data/appendonly.aof") == set()
	cut("redis-check-aof --fix /data/appendonly.aof") == set()
}
