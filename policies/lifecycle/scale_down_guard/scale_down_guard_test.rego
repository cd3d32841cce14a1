package stategate.lifecycle.scale_down_guard_test

import data.stategate.lifecycle.scale_down_guard as policy

workload(replicas, overrides) := object.union(
	{
		"kind": "StatefulSet",
		"name": "etcd",
		"namespace": "shop",
		"replicas": replicas,
		"annotations": {},
		"engine": {"name": "etcd", "container": "etcd", "quorum": true, "votes": true},
		"retention": {"when_deleted": "Retain", "when_scaled": "Retain"},
	},
	overrides,
)

request(old, new, overrides) := {
	"review": {"operation": "UPDATE", "userInfo": {"username": "alice"}},
	"old_workload": workload(old, {}),
	"workload": workload(new, overrides),
	"parameters": {
		"max_step": 1,
		"min_members": 3,
		"autoscalers": ["system:serviceaccount:kube-system:horizontal-pod-autoscaler"],
	},
	"now": "2026-01-01T00:00:00Z",
}

found(document) := violations if violations := policy.violation with input as document

step(old, new) := found(request(old, new, {}))

test_one_member_above_the_majority_passes if {
	step(5, 4) == set()
	step(4, 3) == set()
}

test_two_at_once_fail if {
	some v in step(7, 5)
	v.msg == "scaling etcd 7->5: 2 members go at once, with what they hold, and nobody has confirmed it"
	v.path == ["spec", "replicas"]
	startswith(v.fix, "One at a time: run etcdctl member remove ID")
	contains(v.fix, "then scale down by one. The claims of the pods that go stay; to go on nevertheless, snapshot")
	contains(v.fix, "kubectl annotate statefulset etcd -n shop --overwrite stategate.io/confirm-scale='7->5'")
}

test_below_three_fails if {
	some v in step(3, 2)
	contains(v.msg, "with fewer than 3 members, the loss of one stops it")
	count(step(2, 1)) == 1
}

test_below_the_majority_of_before_fails if {
	some v in step(9, 4)
	contains(v.msg, "4 of 9 members are no majority")
}

confirmed(text) := {"annotations": {"stategate.io/confirm-scale": text}}

test_confirmed_passes if {
	found(request(7, 5, confirmed("7->5"))) == set()
	found(request(3, 2, confirmed("3->2"))) == set()
}

test_confirmation_of_another_step_does_not_count if {
	some v in found(request(7, 4, confirmed("7->5")))
	contains(v.msg, "the confirmation says 7->5")
}

test_growing_and_staying_pass if {
	step(3, 5) == set()
	step(2, 2) == set()
}

test_zero_is_another_policy_s_matter if step(5, 0) == set()

no_vote := {"engine": {"name": "postgres", "container": "etcd", "quorum": false, "votes": false}}

test_engines_without_majority_go_one_by_one if {
	found(request(2, 1, no_vote)) == set()
	count(found(request(3, 1, no_vote))) == 1
}

test_members_that_do_not_vote_go_one_by_one if {
	data_nodes := {"engine": {"votes": false}}
	found(request(3, 2, data_nodes)) == set()
	count(found(request(4, 2, data_nodes))) == 1
}

test_deleted_claims_fail_even_one_by_one if {
	some v in found(request(5, 4, {"retention": {"when_scaled": "Delete"}}))
	contains(v.msg, "volumes of the pods that go are deleted")
	contains(v.fix, "are erased, unless their reclaim policy is Retain")
}

test_reclaim_policy_is_told_if_known if {
	some policy_of_disks, text in {"Delete": "are erased (reclaim policy Delete)", "Retain": "stay (reclaim policy Retain)"}
	known := object.union(request(5, 4, {"retention": {"when_scaled": "Delete"}}), {"related": {
		"pvcs": [
			{"name": "data-etcd-3", "ordinal": 3, "volume_name": "pv-3"},
			{"name": "data-etcd-4", "ordinal": 4, "volume_name": "pv-4"},
		],
		"pvs": [
			{"name": "pv-3", "reclaim_policy": "Delete"},
			{"name": "pv-4", "reclaim_policy": policy_of_disks},
		],
	}})
	some v in found(known)
	contains(v.fix, text)
}

test_stores_of_their_own_have_no_majority if {
	plain := {"name": "minio", "container": "minio", "quorum": true, "votes": true}
	server := {
		"name": "minio",
		"role": "main",
		"engine": "minio",
		"image": {"registry": "quay.io", "repository": "minio/minio", "tag": "RELEASE.2025-04-22T22-12-26Z"},
		"command": [],
		"args": ["server", "/data"],
		"env": [],
		"env_from": false,
		"mounts": [],
	}
	some v in found(request(3, 2, {"engine": plain, "containers": [server]}))
	contains(v.msg, "each replica has data that the others lack")
	contains(v.fix, "save the data of etcd-2, which the others lack (mc mirror into another deployment")
}

test_pods_that_are_no_known_store if {
	some v in found(unknown_store(request(9, 4, {})))
	contains(v.fix, "move what the pod with the highest number holds to the others")
}

by_autoscaler(document) := object.union(
	document,
	{"review": {"userInfo": {"username": "system:serviceaccount:kube-system:horizontal-pod-autoscaler"}}},
)

unknown_store(document) := json.remove(document, ["workload/engine", "old_workload/engine"])

test_autoscaler_may_take_workers_away if {
	found(by_autoscaler(unknown_store(request(9, 4, {})))) == set()
	count(found(unknown_store(request(9, 4, {})))) == 1
}

test_autoscaler_of_a_data_store_is_asked if count(found(by_autoscaler(request(7, 5, {})))) == 1

test_autoscaler_that_deletes_claims_is_asked if {
	deleting := request(5, 4, {"retention": {"when_scaled": "Delete"}})
	count(found(by_autoscaler(unknown_store(deleting)))) == 1
}

test_larger_steps_may_be_allowed if {
	found(object.union(request(7, 5, {}), {"parameters": {"max_step": 2}})) == set()
}

mysql := {
	"engine": {"name": "mysql", "container": "mysql", "quorum": false, "votes": false},
	"containers": [{
		"name": "mysql",
		"role": "main",
		"engine": "mysql",
		"image": {"registry": "docker.io", "repository": "library/mysql", "tag": "8.4.2"},
		"command": [],
		"args": [],
		"env": [],
		"env_from": false,
		"mounts": [],
	}],
}

test_stores_of_their_own_do_not_shrink_unnoticed if {
	some v in found(request(3, 2, mysql))
	contains(v.msg, "each replica has data that the others lack")
	startswith(v.fix, "One at a time: save the data of etcd-2, which the others lack")
	contains(v.fix, "The claims of the pods that go stay; to go on nevertheless, snapshot their volumes, then:")
	joined := [{"name": "MYSQL_REPLICATION_MODE", "value": "slave"}]
	replicated := object.union(mysql.containers[0], {"env": joined, "image": {"repository": "bitnami/mysql"}})
	found(request(3, 2, object.union(mysql, {"containers": [replicated]}))) == set()
}

test_what_is_in_the_pods_goes_with_them if {
	dir := {"dir": "/data", "container": "etcd", "origin": "argument", "mount": {"source": "emptyDir"}}
	in_pods := {"old_workload": {"engine": {"data_dirs": [dir]}}}
	some v in found(object.union(request(7, 5, {}), in_pods))
	contains(v.fix, "What those pods hold is lost: it is in an emptyDir; to go on nevertheless, save it first, then:")
}
