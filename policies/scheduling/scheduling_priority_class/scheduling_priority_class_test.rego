package stategate.scheduling.scheduling_priority_class_test

import data.stategate.scheduling.scheduling_priority_class as policy

request(name) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"engine": {"name": "postgres"},
		"pods": {"spec_path": ["spec", "template", "spec"]},
		"scheduling": {"priority_class": name},
	},
	"parameters": {"allowed": ["*"], "min_value": 1},
}

in_cluster(document, classes) := object.union(document, {"related": {"priority_classes": classes}})

class(value, by_default) := {"value": value, "global_default": by_default, "preemption_policy": "PreemptLowerPriority"}

found(document) := violations if violations := policy.violation with input as document

test_named_class_passes if {
	found(request("data")) == set()
	found(in_cluster(request("data"), {"data": class(100000, false)})) == set()
}

test_no_class_fails_where_others_rank_above if {
	some v in found(in_cluster(request(""), {"web-high": class(1000, false)}))
	v.msg == "StatefulSet pg has no priorityClassName: when room is short, pods of class web-high preempt it"
	v.path == ["spec", "template", "spec", "priorityClassName"]
	contains(v.fix, "a class for data stores that ranks no lower than web-high; if there is none, make it")
}

test_no_class_passes_where_none_is_known_to_rank_above if {
	found(request("")) == set()
	found(in_cluster(request(""), {"system-node-critical": class(2000001000, false)})) == set()
	found(in_cluster(request(""), {"longhorn-critical": class(1000000000, false)})) == set()
	polite := object.union(class(1000, false), {"preemption_policy": "Never"})
	found(in_cluster(request(""), {"polite": polite})) == set()
	found(in_cluster(request(""), {"standard": class(1000, true), "low": class(500, false)})) == set()
}

test_class_of_one_product_ranks_nothing if {
	every name in ["workflow-controller", "postgres-operator-pod", "kafka", "high-operator"] {
		found(in_cluster(request(""), {name: class(1000000, false)})) == set()
	}
	found(in_cluster(request(""), {"workflow-controller": class(9, false), "postgres-operator-pod": class(8, false)})) == set()
	count(found(in_cluster(request(""), {"web": class(1000, false), "batch": class(10, false)}))) == 1
	count(found(in_cluster(request(""), {"business-critical": class(1000, false)}))) == 1
}

test_no_class_fails_where_some_must_be_named if {
	some v in found(object.union(request(""), {"parameters": {"allowed": ["data-*"]}}))
	contains(v.msg, "has no priorityClassName: when room is short it is preempted like any batch job")
	contains(v.fix, "one of data-* that exists")
}

test_workloads_without_a_data_store_pass if {
	document := in_cluster(request(""), {"web-high": class(1000, false)})
	found(object.union(document, {"workload": object.remove(document.workload, ["engine"])})) != set()
	found({
		"workload": object.remove(document.workload, ["engine"]),
		"related": document.related,
		"parameters": document.parameters,
	}) == set()
}

test_class_by_default_passes if {
	found(in_cluster(request(""), {"standard": class(1000, true)})) == set()
}

test_low_default_does_not_help if {
	count(found(in_cluster(request(""), {"standard": class(0, true), "web-high": class(10, false)}))) == 1
	count(found(in_cluster(request(""), {"standard": class(1000, false)}))) == 1
}

test_class_without_value_fails if {
	some v in found(in_cluster(request("batch"), {"batch": class(-10, false)}))
	contains(v.msg, "has the priority class batch with value -10")
}

test_unknown_class_passes if found(in_cluster(request("data"), {"batch": class(-10, false)})) == set()

test_only_allowed_classes_count if {
	document := object.union(request("web"), {"parameters": {"allowed": ["data-*", "system-*"]}})
	some v in found(document)
	contains(v.msg, "has the priority class web, which is not one of those for data (data-*, system-*)")
	found(object.union(document, {"workload": {"scheduling": {"priority_class": "data-high"}}})) == set()
}
