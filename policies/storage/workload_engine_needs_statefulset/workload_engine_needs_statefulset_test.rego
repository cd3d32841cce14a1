package stategate.storage.workload_engine_needs_statefulset_test

import data.stategate.storage.workload_engine_needs_statefulset as policy

image := ["spec", "template", "spec", "containers", 0, "image"]

request(kind, engine) := {
	"workload": {
		"kind": kind,
		"name": "db",
		"engine": {"name": engine, "path": image},
		"claims": [{"origin": "reference"}],
		"containers": [{"name": "db", "mounts": [{"source": "persistentVolumeClaim"}]}],
		"update": {"type": "RollingUpdate"},
	},
	"parameters": {"exempt_engines": ["prometheus"]},
}

found(document) := violations if violations := policy.violation with input as document

test_deployment_fails if {
	some v in found(request("Deployment", "mongodb"))
	v.msg == "mongodb runs as a Deployment: a rollout starts a second pod beside the first, and both may write the same volume"
	v.path == image
	v.fix == "Set spec.strategy to {type: Recreate, rollingUpdate: null}"
	some many in found(object.union(request("Deployment", "mongodb"), {"workload": {"replicas": 2}}))
	many.msg == "mongodb runs as a Deployment: its pods share one volume, and write the same files"
	startswith(many.fix, "Set spec.strategy to {type: Recreate, rollingUpdate: null} and replicas: 1; more pods")
	voting := {"workload": {"replicas": 3, "engine": {"votes": true}}}
	some members in found(object.union(request("Deployment", "mongodb"), voting))
	contains(members.fix, "let an operator run it (MongoDB")
}

of_data := {"workload": {
	"claims": [{"origin": "reference", "name": "db"}],
	"volumes": [{"name": "data", "claim": "db", "source": "persistentVolumeClaim"}],
	"containers": [{"name": "db", "mounts": [{"volume": "data", "source": "persistentVolumeClaim", "read_only": false}]}],
	"engine": {"data_dirs": [{
		"dir": "/data",
		"container": "db",
		"origin": "default",
		"mount": {"volume": "data", "source": "persistentVolumeClaim", "read_only": false},
	}]},
}}

rolls(type) := {"workload": {"update": {"type": type}}}

of_one_node := {"related": {"pvcs": [{"name": "db", "access_modes": ["ReadWriteOnce"]}]}}

test_one_pod_after_the_other_passes if {
	one := object.union(request("Deployment", "postgres"), of_data)
	found(object.union(one, rolls("Recreate"))) == set()
	count(found(object.union(one, rolls("RollingUpdate")))) == 1
	count(found(object.union(object.union(one, rolls("Recreate")), {"workload": {"replicas": 2}}))) == 1
	found(object.union(json.remove(request("ReplicaSet", "postgres"), ["workload/update"]), of_data)) == set()
	count(found(object.union(request("DaemonSet", "postgres"), of_data))) == 1
}

test_rollout_on_one_node_is_another_policy_s_matter if {
	one := object.union(object.union(request("Deployment", "postgres"), of_data), rolls("RollingUpdate"))
	found(object.union(one, of_one_node)) == set()
	bare := object.union(request("Pod", "postgres"), of_data)
	count(found(object.union(bare, of_one_node))) == 1
}

test_stateful_set_takes_over_the_claim if {
	some pod in found(object.union(request("Pod", "postgres"), of_data))
	pod.fix == concat("", [
		"Delete the pod (its claim stays), then run a StatefulSet with replicas: 1 whose spec.template.spec.volumes ",
		"names the same claim (db); claims of volumeClaimTemplates are empty",
	])
	some queue in found(object.union(request("Pod", "rabbitmq"), of_data))
	startswith(queue.fix, "If it runs, save its data first")
	many := object.union(object.union(request("ReplicaSet", "postgres"), of_data), {"workload": {"replicas": 2}})
	some v in found(many)
	startswith(v.fix, "Delete the ReplicaSet with its pods")
}

test_engine_without_operator_is_told_of_stateful_sets_only if {
	some v in found(json.remove(request("Deployment", "redis"), ["workload/claims"]))
	startswith(v.fix, "If it runs, save its data first, for the claims are new: redis-cli --rdb")
	contains(v.fix, ". Make it a StatefulSet with volumeClaimTemplates; then put dump.rdb into the new data directory")
}

test_every_other_kind_fails_for_its_own_reason if {
	every kind, reason in {
		"DaemonSet": "as many members",
		"ReplicaSet": "may write the same volume",
		"Pod": "nothing makes it again",
		"CronJob": "a task is over",
	} {
		some v in found(request(kind, "etcd"))
		contains(v.msg, reason)
	}
}

test_without_a_claim_nothing_is_shared if {
	every kind in ["Deployment", "ReplicaSet", "ReplicationController"] {
		document := json.remove(request(kind, "mysql"), ["workload/claims"])
		some v in found(document)
		contains(v.msg, "no volumes of their own")
	}
}

test_redis_that_keeps_nothing_is_a_cache if {
	volatile := {"workload": {"containers": [{"name": "db", "mounts": [{"source": "emptyDir"}]}]}}
	found(object.union(request("Deployment", "redis"), volatile)) == set()
	count(found(object.union(request("Deployment", "postgres"), volatile))) == 1
	lost := {"workload": {"engine": {"data_dirs": [{
		"dir": "/data",
		"container": "db",
		"origin": "argument",
		"mount": {"source": "emptyDir"},
	}]}}}
	# The policies on volumes tell of it; of a bare Pod there is more to say.
	found(object.union(object.union(request("Deployment", "redis"), volatile), lost)) == set()
	count(found(object.union(object.union(request("Pod", "redis"), volatile), lost))) == 1
}

test_exempt_engine_passes if found(request("Deployment", "prometheus")) == set()

test_no_engine_passes if found({"workload": {"kind": "Deployment"}, "parameters": {"exempt_engines": []}}) == set()

test_what_has_no_volume_is_told_of_that if {
	dirs := {"workload": {"containers": [], "engine": {"data_dirs": [{"dir": "/data", "container": "db", "origin": "default"}]}}}
	found(object.union(request("Deployment", "redis"), dirs)) == set()
	count(found(object.union(request("Pod", "redis"), dirs))) == 1
}

broker(kind, replicas, spec) := {
	"workload": {
		"kind": kind,
		"name": "mq",
		"replicas": replicas,
		"engine": {"name": "rabbitmq", "container": "mq", "path": image, "data_dirs": [{
			"dir": "/var/lib/rabbitmq/mnesia",
			"container": "mq",
			"origin": "default",
			"mount": {"source": "persistentVolumeClaim"},
		}]},
		"pods": {"spec_path": ["spec", "template", "spec"]},
		"claims": [{"origin": "reference"}],
		"containers": [{
			"name": "mq",
			"image": {"repository": "library/rabbitmq"},
			"command": [],
			"args": [],
			"env": [],
			"env_from": false,
			"mounts": [{"source": "persistentVolumeClaim", "mount_path": "/var/lib/rabbitmq"}],
		}],
	},
	"review": {"object": {"spec": {"template": {"spec": spec}}}},
	"parameters": {"exempt_engines": []},
}

test_rabbitmq_starts_empty_under_another_name if {
	some v in found(broker("Deployment", 1, {}))
	contains(v.msg, "each new pod starts an empty one")
	endswith(v.fix, "hostname: rabbitmq in the pod template will do, with strategy: {type: Recreate}")
	some w in found(broker("Deployment", 3, {}))
	not contains(w.fix, "hostname:")
	some named in found(object.union(broker("Deployment", 1, {"hostname": "mq"}), rolls("RollingUpdate")))
	contains(named.msg, "a rollout starts a second pod")
	named.fix == "Set spec.strategy to {type: Recreate, rollingUpdate: null}"
	some other in found(broker("ReplicationController", 1, {}))
	contains(other.msg, "each new pod starts an empty one")
	not contains(other.fix, "hostname:")
}
