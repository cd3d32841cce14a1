package stategate.scheduling.anti_affinity_required_test

import data.stategate.scheduling.anti_affinity_required as policy

hostname := "kubernetes.io/hostname"

zone := "topology.kubernetes.io/zone"

spec := ["spec", "template", "spec"]

selector := {"matchLabels": {"app": "pg"}}

term(required, key) := {"required": required, "topology_key": key, "matches_self": true}

spread(key, when, skew) := {
	"topology_key": key,
	"when_unsatisfiable": when,
	"max_skew": skew,
	"matches_self": true,
}

request(replicas, terms, constraints) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"replicas": replicas,
		"pods": {"selector": selector, "spec_path": spec},
		"scheduling": {"anti_affinity": terms, "spread": constraints},
	},
	"parameters": {"require_hard": false, "min_replicas": 2, "hostname_keys": [hostname]},
}

strict(document) := object.union(document, {"parameters": {"require_hard": true}})

found(document) := violations if violations := policy.violation with input as document

patched(document) := patches if patches := policy.patch with input as document

test_no_rule_fails if {
	some v in found(request(3, [], []))
	v.msg == "several of the 3 replicas of StatefulSet pg may share a node and fail with it"
	v.path == spec
	contains(v.fix, "preferredDuring")
}

test_required_term_passes if {
	found(request(3, [term(true, hostname)], [])) == set()
	found(strict(request(3, [term(true, hostname)], []))) == set()
}

test_preferred_term_passes_unless_hard if {
	found(request(3, [term(false, hostname)], [])) == set()
	some v in found(strict(request(3, [term(false, hostname)], [])))
	contains(v.fix, "requiredDuring")
}

test_hard_hostname_spread_passes if {
	found(strict(request(3, [], [spread(hostname, "DoNotSchedule", 1)]))) == set()
}

test_loose_hostname_spread_passes_unless_hard if {
	every constraint in [spread(hostname, "ScheduleAnyway", 1), spread(hostname, "DoNotSchedule", 2)] {
		found(request(3, [], [constraint])) == set()
		count(found(strict(request(3, [], [constraint])))) == 1
	}
}

test_required_zone_term_passes if found(strict(request(3, [term(true, zone)], []))) == set()

test_preferred_zone_term_fails if count(found(request(3, [term(false, zone)], []))) == 1

test_zone_spread_fails if count(found(request(3, [], [spread(zone, "DoNotSchedule", 1)]))) == 1

test_mistaken_rule_is_left_to_the_policy_on_selectors if {
	other := object.union(term(true, hostname), {"matches_self": false})
	found(request(3, [other], [])) == set()
	found(request(3, [], [object.union(spread(hostname, "DoNotSchedule", 1), {"matches_self": false})])) == set()
}

test_rule_against_other_pods_does_not_count if {
	other := object.union(term(true, hostname), {"matches_self": false})
	count(found(request(3, [other], [spread(zone, "DoNotSchedule", 1)]))) == 1
}

test_mistaken_zone_rule_is_no_excuse if {
	other := object.union(spread(zone, "DoNotSchedule", 1), {"matches_self": false})
	count(found(request(3, [], [other]))) == 1
}

test_other_label_of_nodes_may_be_named if {
	document := request(3, [term(false, "example.com/host")], [])
	count(found(document)) == 1
	found(object.union(document, {"parameters": {"hostname_keys": ["example.com/host"]}})) == set()
}

test_single_replica_passes if {
	found(request(1, [], [])) == set()
	patched(request(1, [], [])) == set()
}

test_patch_adds_a_preference if {
	patched(request(3, [], [])) == {{
		"op": "add",
		"path": array.concat(spec, ["affinity", "podAntiAffinity", "preferredDuringSchedulingIgnoredDuringExecution"]),
		"value": [{"weight": 100, "podAffinityTerm": {"topologyKey": hostname, "labelSelector": selector}}],
	}}
}

test_patch_satisfies_and_is_made_once if {
	after := request(3, [term(false, hostname)], [])
	found(after) == set()
	patched(after) == set()
}

test_patch_leaves_what_somebody_wrote if {
	other := object.union(term(true, zone), {"matches_self": false})
	patched(request(3, [other], [])) == set()
	patched(request(3, [], [spread(hostname, "ScheduleAnyway", 1)])) == set()
}

test_patch_prefers_even_where_hard_is_asked if {
	count(patched(strict(request(3, [], [])))) == 1
	patched(strict(request(3, [term(false, hostname)], []))) == set()
}

test_no_patch_without_a_selector if {
	document := request(3, [], [])
	workload := object.union(object.remove(document.workload, ["pods"]), {"pods": {"spec_path": spec}})
	patched({"workload": workload, "parameters": document.parameters}) == set()
}

test_slip_in_the_key_is_another_policy_s_matter if {
	every key in ["hostname", "kubernetes.io/Hostname", "node.kubernetes.io/hostname"] {
		found(request(3, [term(true, key)], [])) == set()
	}
}

test_required_rule_by_a_label_of_one_s_own_keeps_replicas_apart if {
	every key in ["rack", "topology.rook.io/rack", "topology.ebs.csi.aws.com/zone", "kubernetes.io/arch"] {
		found(request(3, [term(true, key)], [])) == set()
		found(strict(request(3, [term(true, key)], []))) == set()
		count(found(request(3, [term(false, key)], []))) == 1
	}
	count(found(request(3, [term(true, "node-role.kubernetes.io/control-plane")], []))) == 1
}

test_label_that_no_node_carries_keeps_nothing_apart if {
	document := request(3, [term(true, "example.com/rack")], [])
	count(found(on_nodes(document, [hostname]))) == 1
	found(on_nodes(document, [hostname, "example.com/rack"])) == set()
	found(on_nodes(document, [])) == set()
}

on_nodes(document, keys) := object.union(document, {"related": {"nodes": {"label_keys": keys}}})
