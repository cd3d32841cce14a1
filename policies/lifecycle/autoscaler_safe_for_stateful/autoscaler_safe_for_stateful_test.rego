package stategate.lifecycle.autoscaler_safe_for_stateful_test

import data.stategate.lifecycle.autoscaler_safe_for_stateful as policy

told := {"min_members": 3, "single_primary": ["postgres", "mysql"]}

target(engine, quorum) := {
	"kind": "StatefulSet",
	"name": "store",
	"class": "durable",
	"replicas": 3,
	"engine": {"name": engine, "quorum": quorum, "votes": quorum},
}

of_scaler(kind, fields, workloads) := {
	"workload": {"kind": kind, "name": "by-load", "autoscaler": object.union({"path": ["spec"]}, fields)},
	"related": {"workloads": workloads},
	"parameters": told,
}

of_workload(workload, scalers) := {
	"workload": workload,
	"related": {"autoscalers": scalers},
	"parameters": told,
}

hpa(fewest, step) := {"min": fewest, "max": 9, "scale_down_pods": step}

found(document) := violations if violations := policy.violation with input as document

test_slow_autoscaler_above_the_quorum_passes if {
	found(of_scaler("HorizontalPodAutoscaler", hpa(3, 1), [target("kafka", true)])) == set()
	found(of_scaler("VerticalPodAutoscaler", {"mode": "Initial"}, [target("postgres", false)])) == set()
	found(of_workload(target("kafka", true), [object.union(hpa(3, 1), {"kind": "HorizontalPodAutoscaler", "name": "k"})])) == set()
	found(of_workload(target("kafka", true), [])) == set()
}

test_below_the_quorum_fails if {
	some v in found(of_scaler("HorizontalPodAutoscaler", hpa(1, 1), [target("kafka", true)]))
	v.msg == "HorizontalPodAutoscaler by-load may scale StatefulSet store down to 1: it needs at least 3"
	v.path == ["spec"]
	contains(v.fix, "spec.minReplicas")
}

test_to_zero_fails if {
	some v in found(of_scaler("ScaledObject", hpa(0, 1), [target("postgres", false)]))
	contains(v.msg, "down to 0: it needs at least 1")
	contains(v.fix, "spec.minReplicaCount")
	own := object.remove(target("", false), ["engine"])
	count(found(of_scaler("ScaledObject", hpa(0, 8), [own]))) == 1
}

test_many_at_once_fails if {
	some v in found(of_scaler("HorizontalPodAutoscaler", hpa(3, 6), [target("elasticsearch", true)]))
	contains(v.msg, "may remove 6 pods of StatefulSet store in one step")
	contains(v.fix, "set spec.behavior.scaleDown to")
	some keda in found(of_scaler("ScaledObject", hpa(3, 6), [target("elasticsearch", true)]))
	contains(keda.fix, "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown")
}

test_read_replicas_may_come_and_go if {
	found(of_scaler("HorizontalPodAutoscaler", hpa(2, 6), [target("postgres", false)])) == set()
}

test_eviction_of_the_primary_fails if {
	every mode in ["Auto", "Recreate", "InPlaceOrRecreate"] {
		count(found(of_scaler("VerticalPodAutoscaler", {"mode": mode}, [target("postgres", false)]))) == 1
	}
	found(of_scaler("VerticalPodAutoscaler", {"mode": "Auto"}, [target("kafka", true)])) == set()
}

test_workload_under_an_unsafe_autoscaler_fails if {
	scaler := object.union(hpa(1, 1), {"kind": "HorizontalPodAutoscaler", "name": "kafka"})
	some v in found(of_workload(target("kafka", true), [scaler]))
	contains(v.msg, "HorizontalPodAutoscaler kafka may scale StatefulSet store down to 1")
	v.path == ["spec", "replicas"]
}

test_stateless_and_unknown_targets_pass if {
	web := {"kind": "Deployment", "name": "web", "class": "none", "replicas": 3}
	found(of_scaler("HorizontalPodAutoscaler", hpa(0, 9), [web])) == set()
	found(of_scaler("HorizontalPodAutoscaler", hpa(0, 9), [])) == set()
}

test_autoscaler_that_is_judged_itself_is_told_there if {
	scaler := object.union(hpa(1, 1), {"kind": "HorizontalPodAutoscaler", "name": "kafka", "reviewed": true})
	found(of_workload(target("kafka", true), [scaler])) == set()
}

test_a_store_without_votes_keeps_one if {
	some v in found(of_scaler("HorizontalPodAutoscaler", hpa(0, 1), [object.union(target("redis", false), {"replicas": 0})]))
	contains(v.fix, "spec.minReplicas of HorizontalPodAutoscaler by-load to 1 or more")
}
