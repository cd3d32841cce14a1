package stategate.scheduling.topology_spread_zone_test

import data.stategate.scheduling.topology_spread_zone as policy

zone := "topology.kubernetes.io/zone"

spec := ["spec", "template", "spec"]

selector := {"matchLabels": {"app": "kafka"}}

spread(key, when, skew) := {
	"topology_key": key,
	"when_unsatisfiable": when,
	"max_skew": skew,
	"matches_self": true,
}

request(replicas, constraints, terms) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "kafka",
		"replicas": replicas,
		"pods": {"selector": selector, "spec_path": spec},
		"scheduling": {"anti_affinity": terms, "spread": constraints},
	},
	"parameters": {"min_replicas": 3, "max_skew": 1, "require_do_not_schedule": false, "single_zone_cluster": false},
}

told(document, parameters) := object.union(document, {"parameters": parameters})

found(document) := violations if violations := policy.violation with input as document

patched(document) := patches if patches := policy.patch with input as document

test_no_constraint_fails if {
	some v in found(request(3, [], []))
	v.msg == "all 3 replicas of StatefulSet kafka may share a zone and fail with it"
	v.path == spec
	contains(v.fix, "ScheduleAnyway")
}

test_zone_constraint_passes if {
	found(request(3, [spread(zone, "ScheduleAnyway", 1)], [])) == set()
	found(request(3, [spread(zone, "DoNotSchedule", 1)], [])) == set()
}

test_hostname_constraint_fails if {
	count(found(request(3, [spread("kubernetes.io/hostname", "DoNotSchedule", 1)], []))) == 1
}

test_too_much_skew_fails if {
	document := request(3, [spread(zone, "DoNotSchedule", 2)], [])
	count(found(document)) == 1
	found(told(document, {"max_skew": 2})) == set()
}

test_mistaken_constraint_is_left_to_the_policy_on_selectors if {
	found(request(3, [object.union(spread(zone, "DoNotSchedule", 1), {"matches_self": false})], [])) == set()
}

test_zone_anti_affinity_passes if {
	every required in [true, false] {
		found(request(3, [], [{"required": required, "topology_key": zone, "matches_self": true}])) == set()
	}
}

test_mistaken_anti_affinity_is_left_to_the_policy_on_selectors if {
	found(request(3, [], [{"required": true, "topology_key": zone, "matches_self": false}])) == set()
}

test_anti_affinity_against_other_pods_does_not_count if {
	terms := [
		{"required": true, "topology_key": "kubernetes.io/hostname", "matches_self": true},
		{"required": true, "topology_key": zone, "matches_self": false},
	]
	count(found(request(3, [], terms))) == 1
}

test_hard_rule_may_be_asked_for if {
	must := {"require_do_not_schedule": true}
	found(told(request(3, [spread(zone, "DoNotSchedule", 1)], []), must)) == set()
	found(told(request(3, [], [{"required": true, "topology_key": zone, "matches_self": true}]), must)) == set()
	some v in found(told(request(3, [spread(zone, "ScheduleAnyway", 1)], []), must))
	contains(v.fix, "DoNotSchedule")
	count(found(told(request(3, [], [{"required": false, "topology_key": zone, "matches_self": true}]), must))) == 1
}

test_two_replicas_pass if {
	found(request(2, [], [])) == set()
	patched(request(2, [], [])) == set()
}

test_single_zone_passes if {
	document := told(request(3, [], []), {"single_zone_cluster": true})
	found(document) == set()
	patched(document) == set()
}

test_patch_adds_a_constraint_that_never_blocks if {
	patched(request(3, [], [])) == {{
		"op": "add",
		"path": array.concat(spec, ["topologySpreadConstraints"]),
		"value": [{
			"maxSkew": 1,
			"topologyKey": zone,
			"whenUnsatisfiable": "ScheduleAnyway",
			"labelSelector": selector,
		}],
	}}
}

test_patch_satisfies_and_is_made_once if {
	after := request(3, [spread(zone, "ScheduleAnyway", 1)], [])
	found(after) == set()
	patched(after) == set()
}

test_patch_leaves_what_somebody_wrote if {
	patched(request(3, [spread("kubernetes.io/hostname", "DoNotSchedule", 1)], [])) == set()
	patched(request(3, [], [{"required": true, "topology_key": zone, "matches_self": true}])) == set()
}

test_no_patch_without_a_selector if {
	document := request(3, [], [])
	workload := object.union(object.remove(document.workload, ["pods"]), {"pods": {"spec_path": spec}})
	patched({"workload": workload, "parameters": document.parameters}) == set()
}
