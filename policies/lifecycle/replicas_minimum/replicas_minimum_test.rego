package stategate.lifecycle.replicas_minimum_test

import data.stategate.lifecycle.replicas_minimum as policy

request(name, replicas, quorum) := {
	"workload": {"name": "db", "replicas": replicas, "engine": {"name": name, "quorum": quorum}},
	"parameters": {"judge_single": true, "min_replicas": {"postgres": 2, "cassandra": 3, "etcd": 3}},
}

found(document) := violations if violations := policy.violation with input as document

test_enough_passes if {
	found(request("postgres", 2, false)) == set()
	found(request("cassandra", 3, false)) == set()
}

test_one_fails if {
	some v in found(request("postgres", 1, false))
	v.msg == "StatefulSet db has 1 of at least 2 replicas: while a node is down or replaced, so is what it holds"
	v.path == ["spec", "replicas"]
	startswith(v.fix, "Leave it at 1 until it is replicated: let an operator replicate it")
	endswith(v.fix, "more replicas without that are separate databases")
}

unasked := {"parameters": {"judge_single": false}}

test_one_is_a_decision if {
	found(object.union(request("postgres", 1, false), unasked)) == set()
	found(object.union(voter([]), unasked)) == set()
	count(found(object.union(request("cassandra", 2, false), unasked))) == 1
}

test_a_standby_is_missed if {
	one := object.union(request("postgres", 1, false), unasked)
	some v in found(object.union(one, {"old_workload": {"replicas": 2}}))
	v.fix == concat("", [
		"Keep 2; for one on purpose, fail over from it first if it is the primary, then set replicas to 1, and then ",
		"pg_drop_replication_slot() on the primary (else its WAL fills the disk)",
	])
	found(object.union(one, {"old_workload": {"replicas": 1}})) == set()
}

test_two_of_three_fail if {
	some v in found(request("cassandra", 2, false))
	startswith(v.fix, "Add the missing ones as members: seed only the node with the data")
}

test_several_stores_are_another_policy_s_matter if {
	alone := {"workload": {"containers": [{
		"name": "cassandra",
		"role": "main",
		"engine": "cassandra",
		"image": {"registry": "docker.io", "repository": "library/cassandra", "tag": "5.0.2"},
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"mounts": [],
	}]}}
	found(object.union(request("cassandra", 2, false), alone)) == set()
}

test_engines_without_a_minimum_pass if found(request("prometheus", 1, false)) == set()

test_unknown_engine_passes if found(json.remove(request("x", 1, false), ["workload/engine"])) == set()

test_votes_are_another_policy_s_matter if found(request("etcd", 1, true)) == set()

test_none_is_another_policy_s_matter if found(request("postgres", 0, false)) == set()

with_mode(document, name, value) := object.union(document, {"workload": {
	"engine": {"container": "db"},
	"containers": [{"name": "metrics", "env": []}, {"name": "db", "image": {"repository": "bitnami/postgresql"}, "env": [{"name": name, "value": value}]}],
}})

test_primary_and_standby_of_a_chart_pass if {
	one := request("postgres", 1, false)
	found(with_mode(one, "POSTGRES_REPLICATION_MODE", "master")) == set()
	found(with_mode(one, "POSTGRES_REPLICATION_MODE", "slave")) == set()
	found(with_mode(one, "POSTGRES_REPLICATION_MODE", "master")) == set()
	count(found(with_mode(one, "POSTGRES_DB", "master"))) == 1
	unread := with_mode(one, "POSTGRES_REPLICATION_MODE", "slave")
	official := [object.union(container, {"image": {"repository": "library/postgres"}}) | some container in unread.workload.containers]
	count(found(object.union(unread, {"workload": {"containers": official}}))) == 1
}

test_name_and_labels_tell_of_a_pair if {
	one := request("postgres", 1, false)
	every name in ["cart-primary", "cart-read", "cart-replicas", "cart-master"] {
		found(object.union(one, {"workload": {"name": name}})) == set()
	}
	every labels in [{"role": "primary"}, {"role": "standby"}, {"app.kubernetes.io/component": "read"}] {
		found(object.union(one, {"workload": {"pods": {"labels": labels}}})) == set()
	}
	every labels in [{"app.kubernetes.io/component": "primary"}, {"app": "replica"}] {
		count(found(object.union(one, {"workload": {"pods": {"labels": labels}}}))) == 1
	}
}

test_replica_of_a_shard_passes if {
	one := request("postgres", 1, false)
	every name in ["clickhouse-s0-r1", "ch-shard-0-replica-12"] {
		found(object.union(one, {"workload": {"name": name}})) == set()
	}
	every name in ["clickhouse-s0", "clickhouse-r1", "orders-r1"] {
		count(found(object.union(one, {"workload": {"name": name}}))) == 1
	}
}

test_cache_passes if {
	document := {"parameters": {"judge_single": true, "min_replicas": {"redis": 2}}, "workload": {
		"name": "db",
		"replicas": 1,
		"engine": {"name": "redis", "container": "db", "quorum": false, "evicts": true},
		"containers": [{"name": "db", "command": [], "args": [], "env": []}],
	}}
	found(document) == set()
	count(found(object.union(document, {"workload": {"engine": {"evicts": false}}}))) == 1
}

voter(env) := object.union(request("zookeeper", 1, true), {"workload": {
	"engine": {"votes": true, "container": "zk"},
	"containers": [object.union(zookeeper, {"env": env})],
}})

zookeeper := {
	"name": "zk",
	"role": "main",
	"engine": "zookeeper",
	"image": {"registry": "docker.io", "repository": "library/zookeeper", "tag": "3.9.4"},
	"command": [],
	"args": [],
	"env_from": false,
	"mounts": [],
}

test_what_is_out_of_sight_may_join_it if {
	hidden := [object.union(zookeeper, {"env": [], "env_from": true})]
	found(object.union(voter([]), {"workload": {"containers": hidden}})) == set()
}

test_a_node_with_one_role_is_not_by_itself if {
	found(object.union(request("elasticsearch", 1, true), elastic("master"))) == set()
	count(found(object.union(request("elasticsearch", 1, true), elastic("master,data")))) == 1
}

elastic(roles) := {"workload": {
	"engine": {"votes": true, "container": "es"},
	"containers": [object.union(zookeeper, {
		"name": "es",
		"engine": "elasticsearch",
		"image": {"registry": "docker.io", "repository": "elasticsearch/elasticsearch", "tag": "9.1.0"},
		"env": [{"name": "node.roles", "value": roles}],
	})],
}}

test_a_voter_by_itself_fails if {
	some v in found(voter([]))
	v.msg == "StatefulSet db runs zookeeper by itself: while its node is down or replaced, so is what it holds"
	startswith(v.fix, "Leave it at 1, or copy its data directory first")
	found(voter([{"name": "ZOO_SERVERS", "value": "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181"}])) == set()
	count(found(voter([{"name": "ZOO_SERVERS", "value": "server.1=0.0.0.0:2888:3888;2181"}]))) == 1
}
