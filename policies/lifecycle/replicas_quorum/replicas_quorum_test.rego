package stategate.lifecycle.replicas_quorum_test

import data.stategate.lifecycle.replicas_quorum as policy

workload(replicas, quorum) := {
	"name": "etcd",
	"replicas": replicas,
	"engine": {"name": "etcd", "container": "etcd", "quorum": quorum, "votes": quorum},
}

request(workload_now) := {"workload": workload_now, "parameters": {"min": 3}}

update(old, new) := object.union(request(workload(new, true)), {"old_workload": workload(old, true)})

found(document) := violations if violations := policy.violation with input as document

test_three_pass if found(request(workload(3, true))) == set()

test_two_fail if {
	some v in found(request(workload(2, true)))
	v.msg == "StatefulSet etcd has 2 of at least 3 members: the loss of one stops all of them"
	v.path == ["spec", "replicas"]
	contains(v.fix, "For 3 members, for each: etcdctl member add NAME --learner")
	contains(v.fix, `stategate.io/quorum: "false"`)
}

test_one_of_several_fails if {
	some v in found(request(mongo(1, [{"name": "MONGO_REPLICA_SET", "value": "rs0"}])))
	contains(v.msg, "stops it")
	contains(v.fix, "add one replica at a time, and run rs.add()")
}

test_one_that_nothing_joins_passes if {
	found(request(workload(1, true))) == set()
	found(request(mongo(1, []))) == set()
}

minio(words) := object.union(workload(1, true), {
	"engine": {"name": "minio"},
	"containers": [{
		"name": "minio",
		"role": "main",
		"engine": "minio",
		"image": {"registry": "quay.io", "repository": "minio/minio", "tag": "RELEASE.2025-04-22T22-12-26Z"},
		"command": [],
		"args": words,
		"env": [],
		"env_from": false,
		"mounts": [],
	}],
})

test_one_that_stands_alone_has_no_members if {
	found(request(minio(["server", "/data"]))) == set()
	some v in found(request(minio(["server", "http://files-{0...3}.files/data"])))
	contains(v.fix, "a pool itself cannot grow")
}

test_vault_votes_with_raft_only if {
	vault := object.union(workload(1, true), {"engine": {"name": "vault"}, "containers": [{
		"name": "vault",
		"role": "main",
		"engine": "vault",
		"command": [],
		"args": ["server", "-config=/vault/config"],
		"env": [],
	}]})
	found(request(vault)) == set()
	raft := {"workload": {"containers": [{
		"name": "vault",
		"role": "main",
		"engine": "vault",
		"command": [],
		"args": [],
		"env": [{"name": "VAULT_RAFT_NODE_ID"}],
	}]}}
	count(found(object.union(request(vault), raft))) == 1
}

mongo(replicas, env) := object.union(workload(replicas, true), {
	"engine": {"name": "mongodb"},
	"containers": [{
		"name": "mongo",
		"role": "main",
		"engine": "mongodb",
		"image": {"registry": "docker.io", "repository": "shop/mongo", "tag": "8.0"},
		"command": ["/scripts/start.sh"],
		"args": [],
		"env": env,
		"env_from": false,
		"mounts": [],
	}],
})

test_two_are_told_how_to_become_three if {
	some v in found(request(mongo(2, [])))
	contains(v.fix, "add one replica at a time, and run rs.add()")
}

test_an_arbiter_may_be_elsewhere if {
	mode := [{"name": "MONGODB_REPLICA_SET_MODE"}]
	found(request(mongo(2, mode))) == set()
	count(found(request(mongo(1, mode)))) == 1
}

test_even_numbers_are_another_policy_s_matter if found(request(workload(4, true))) == set()

test_none_is_another_policy_s_matter if found(request(workload(0, true))) == set()

test_engines_without_majority_pass if found(request(workload(1, false))) == set()

test_unknown_engine_passes if found(request(object.remove(workload(1, true), ["engine"]))) == set()

test_members_that_do_not_vote_pass if {
	data_nodes := object.union(workload(2, true), {"engine": {"votes": false}})
	found(request(data_nodes)) == set()
}

test_scaling_down_is_another_policy_s_matter if {
	found(update(3, 2)) == set()
	found(update(2, 1)) == set()
}

test_staying_and_growing_too_little_fail if {
	count(found(update(2, 2))) == 1
	count(found(update(1, 2))) == 1
}

elasticsearch(replicas, least, tag) := request({
	"name": "search",
	"replicas": replicas,
	"engine": {
		"name": "elasticsearch",
		"container": "es",
		"votes": true,
		"version": tag,
		"release": [to_number(part) | some part in split(tag, ".")],
	},
	"containers": [{
		"name": "es",
		"image": {"repository": "elasticsearch/elasticsearch", "tag": tag},
		"env": [{"name": "discovery.zen.minimum_master_nodes", "value": least, "path": ["env", 0]}],
	}],
})

test_a_minority_elects_no_master if {
	some v in found(elasticsearch(3, "1", "6.8.23"))
	v.msg == "1 of 3 masters of search elect one: a cut network makes two clusters, and one of them loses what it wrote"
	v.path == ["env", 0]
	v.fix == "Set discovery.zen.minimum_master_nodes to 2 (more than half of all masters)"
	count(found(elasticsearch(4, "2", "6.8.23"))) == 1
	found(elasticsearch(3, "2", "6.8.23")) == set()
	found(elasticsearch(3, "1", "7.17.0")) == set()
	found(elasticsearch(3, "${LEAST}", "6.8.23")) == set()
}
