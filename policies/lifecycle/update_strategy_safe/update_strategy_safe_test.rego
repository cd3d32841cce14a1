package stategate.lifecycle.update_strategy_safe_test

import data.stategate.lifecycle.update_strategy_safe as policy

request(operation, update) := {
	"review": {"operation": operation},
	"workload": {"kind": "StatefulSet", "name": "etcd", "replicas": 3, "engine": {"name": "etcd"}, "update": update},
	"parameters": {"on_delete_engines": ["vault"]},
}

rolling(unavailable, partition) := {
	"type": "RollingUpdate",
	"unavailable_pods": unavailable,
	"partition": partition,
}

found(document) := violations if violations := policy.violation with input as document

test_default_passes if found(request("CREATE", rolling(1, 0))) == set()

test_two_down_at_once_fail if {
	some v in found(request("UPDATE", rolling(2, 0)))
	v.msg == "an update of etcd takes 2 of 3 members down at once"
	v.path == ["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"]
	v.fix == "Set maxUnavailable to 1, or leave it out"
}

test_two_down_pass_without_a_known_engine if {
	found(json.remove(request("CREATE", rolling(2, 0)), ["workload/engine"])) == set()
}

test_one_replica_cannot_lose_its_majority if {
	found(object.union(request("CREATE", rolling(2, 0)), {"workload": {"replicas": 1}})) == set()
}

test_on_delete_fails if {
	some v in found(request("CREATE", {"type": "OnDelete"}))
	v.msg == "changes of etcd reach no pod until somebody deletes it (OnDelete)"
	v.path == ["spec", "updateStrategy", "type"]
	contains(v.fix, "RollingUpdate")
}

test_on_delete_passes_for_vault if {
	found(object.union(request("CREATE", {"type": "OnDelete"}), {"workload": {"engine": {"name": "vault"}}})) == set()
}

test_on_delete_of_an_unknown_engine_fails if {
	count(found(json.remove(request("CREATE", {"type": "OnDelete"}), ["workload/engine"]))) == 1
}

test_partition_at_creation_fails if {
	some v in found(request("CREATE", rolling(1, 2)))
	v.msg == "partition 2 keeps 2 members of etcd on the old version at every update"
	v.path == ["spec", "updateStrategy", "rollingUpdate", "partition"]
	contains(v.fix, "set it to 0")
	some all in found(request("CREATE", rolling(1, 3)))
	contains(all.msg, "keeps all members")
}

test_staged_update_passes if found(request("UPDATE", rolling(1, 2))) == set()

test_on_delete_of_an_operator_passes if {
	of_eck := object.union(request("CREATE", {"type": "OnDelete"}), {"workload": {"owner": {"kind": "Elasticsearch", "name": "es"}}})
	found(of_eck) == set()
}
