package stategate.lifecycle.member_list_matches_replicas_test

import data.stategate.lifecycle.member_list_matches_replicas as policy

view(engine, replicas, command, env) := {
	"kind": "StatefulSet",
	"name": "kv",
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
}

found(document) := violations if violations := policy.violation with input as document

created(engine, replicas, command, env) := found({
	"workload": view(engine, replicas, command, env),
	"review": {"object": {"spec": {}}},
})

scaled(engine, was, replicas, command, env) := found({
	"old_workload": view(engine, was, command, env),
	"workload": view(engine, replicas, command, env),
	"review": {"object": {"spec": {}}},
})

three := ["etcd", "--initial-cluster=kv-0=http://kv-0.kv:2380,kv-1=http://kv-1.kv:2380,kv-2=http://kv-2.kv:2380"]

test_the_list_names_all if {
	created("etcd", 3, three, {}) == set()
	scaled("etcd", 3, 3, three, {}) == set()
}

test_new_pods_are_not_on_it if {
	some v in scaled("etcd", 3, 5, three, {})
	v.msg == concat("", [
		"kv has 5 replicas, but --initial-cluster names 3 of them: kv-3 and 1 more will stop with: ",
		"couldn't find local name in the initial cluster configuration",
	])
	startswith(v.fix, "Keep replicas: 3. For each new member, one at a time: etcdctl member add kv-3")
	some w in created("etcd", 4, three, {})
	contains(w.msg, "names 3 of them: kv-3 will stop")
	w.fix == "Name every pod in --initial-cluster before the cluster first starts, or set replicas: 3"
}

test_members_that_do_not_run if {
	# An etcd that was made smaller by etcdctl member remove keeps its list.
	created("etcd", 2, three, {}) == set()
	some w in created("etcd", 1, three, {})
	contains(w.msg, "--initial-cluster names 3 members, but kv has 1 replica: they are no majority, so that a new cluster")
	startswith(w.fix, "If it has not started yet, set replicas: 3, or name only the pods that run in --initial-cluster; else it ignores")
	scaled("etcd", 3, 1, three, {}) == set()
	scaled("etcd", 1, 1, three, {}) == set()
}

test_a_new_etcd_is_asked_for_all if {
	some v in created("etcd", 2, array.concat(three, ["--initial-cluster-state=new"]), {})
	endswith(v.msg, "2 replicas: in a new cluster those that do not run count for the majority, so that it survives fewer failures")
	startswith(v.fix, "If it has not started yet, set replicas: 3")
	count(created("etcd", 2, three, {"ETCD_INITIAL_CLUSTER_STATE": "new"})) == 1
	created("etcd", 2, array.concat(three, ["--initial-cluster-state=existing"]), {}) == set()
	created("etcd", 3, array.concat(three, ["--initial-cluster-state=new"]), {}) == set()
	scaled("etcd", 2, 2, array.concat(three, ["--initial-cluster-state=new"]), {}) == set()
}

consul(replicas, words) := found({
	"workload": object.union(
		view("consul", replicas, array.concat(["consul", "agent", "-server"], words), {}),
		{"service_name": "servers"},
	),
	"review": {"object": {"spec": {}}},
})

test_consul_waits_for_its_servers if {
	some v in consul(3, ["-bootstrap-expect=5", "-retry-join=kv-0.servers", "-retry-join=servers.shop.svc"])
	v.msg == "consul waits for 5 servers, and replicas of kv is 3: a new cluster never elects a leader"
	v.fix == "Set replicas: 5, or -bootstrap-expect=3, which counts for the first election only"
	consul(5, ["-bootstrap-expect=5", "-retry-join=servers"]) == set()
	consul(3, ["-bootstrap-expect=5", "-retry-join=servers", "-retry-join=other-0.other"]) == set()
	consul(3, ["-bootstrap-expect=5", "-retry-join=servers", "-config-dir=/c"]) == set()
	consul(3, ["-bootstrap-expect=5", "-retry-join=10.20.0.5", "-retry-join=10.20.0.6"]) == set()
	consul(3, ["-bootstrap-expect=5"]) == set()
	local := {"workload": object.union(
		view("consul", 3, ["consul", "agent", "-server", "-bootstrap-expect=5", "-retry-join=servers"], {"CONSUL_LOCAL_CONFIG": "{}"}),
		{"service_name": "servers"},
	)}
	found(object.union(local, {"review": {"object": {"spec": {}}}})) == set()
}

test_members_of_other_workloads if {
	zones := {"ETCD_INITIAL_CLUSTER": "kv-a-0=http://kv-a-0:2380,kv-0=http://kv-0:2380,kv-b-0=http://kv-b-0:2380"}
	created("etcd", 1, [], zones) == set()
	created("etcd", 3, [], {"ETCD_INITIAL_CLUSTER": "a=http://10.0.0.1:2380"}) == set()
}

test_what_cannot_be_known if {
	created("etcd", 3, [], {"ETCD_INITIAL_CLUSTER": "kv-0=http://kv-0:2380,$(MORE)"}) == set()
	created("etcd", 3, ["sh", "-c", "[ -e /x ] && exec etcd --initial-cluster=kv-0=http://kv-0:2380"], {}) == set()
	created("etcd", 3, [], {"ETCD_INITIAL_CLUSTER": "kv-0=http://kv-0.$(NS):2380"}) != set()
}

test_ordinals_may_start_later if {
	found({
		"workload": view("etcd", 2, [], {"ETCD_INITIAL_CLUSTER": "kv-1=http://kv-1:2380,kv-2=http://kv-2:2380"}),
		"review": {"object": {"spec": {"ordinals": {"start": 1}}}},
	}) == set()
}

test_zookeeper if {
	official := {"ZOO_SERVERS": "server.1=kv-0.kv:2888:3888;2181 server.2=kv-1.kv:2888:3888;2181 server.3=kv-2.kv:2888:3888;2181"}
	bitnami := {"ZOO_SERVERS": "kv-0.kv:2888:3888::1,kv-1.kv:2888:3888::2,kv-2.kv:2888:3888::3"}
	some v in created("zookeeper", 2, [], official)
	startswith(v.msg, "ZOO_SERVERS names 3 members, but kv has 2 replicas: those that do not run count")
	v.fix == "Set replicas: 3; to have fewer, take servers out of ZOO_SERVERS one at a time, and restart the others after each"
	some w in created("zookeeper", 1, [], official)
	contains(w.msg, "they are no majority, so it never starts")
	every env in [official, bitnami] {
		created("zookeeper", 3, [], env) == set()
		count(scaled("zookeeper", 3, 5, [], env)) == 1
	}
}

test_kafka_controllers_only if {
	voters := "0@kv-0.kv:9093,1@kv-1.kv:9093,2@kv-2.kv:9093"
	both := {"KAFKA_CONTROLLER_QUORUM_VOTERS": voters, "KAFKA_PROCESS_ROLES": "broker,controller"}
	some v in scaled("kafka", 3, 4, [], both)
	contains(v.fix, "process.roles=broker")
	scaled("kafka", 3, 4, [], object.union(both, {"KAFKA_PROCESS_ROLES": "broker"})) == set()
	some w in created("kafka", 2, [], both)
	endswith(w.fix, "name only the pods that run in KAFKA_CONTROLLER_QUORUM_VOTERS, before its first start and not later")
}

test_minio if {
	endpoints := ["server", "http://kv-{0...3}.kv.shop.svc/data"]
	created("minio", 4, endpoints, {}) == set()
	some v in scaled("minio", 4, 6, endpoints, {})
	contains(v.msg, "kv-4 and 1 more will stop, since no endpoint is their own")
	contains(v.fix, "add a server pool")
	created("minio", 4, ["server", "http://other-{0...3}.x/data"], {}) == set()
}

test_first_election if {
	env := {"cluster.initial_master_nodes": "kv-0,kv-1,kv-2"}
	created("elasticsearch", 5, [], env) == set()
	created("elasticsearch", 2, [], env) == set()
	count(created("elasticsearch", 1, [], env)) == 1
	scaled("elasticsearch", 1, 1, [], env) == set()
}
