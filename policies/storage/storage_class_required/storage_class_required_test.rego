package stategate.storage.storage_class_required_test

import data.stategate.storage.storage_class_required as policy

claim(overrides) := object.union(
	{
		"name": "data",
		"origin": "template",
		"storage_class": "",
		"static_binding": false,
		"path": ["spec", "volumeClaimTemplates", 0],
		"spec_path": ["spec", "volumeClaimTemplates", 0, "spec"],
	},
	overrides,
)

dir(name) := {"dir": "/data", "container": "db", "origin": "default", "mount": {"volume": name, "source": "volumeClaimTemplate"}}

request(operation, claims) := {
	"review": {"operation": operation},
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"namespace": "shop",
		"claims": claims,
		"volumes": [{"name": one.name, "source": "volumeClaimTemplate", "claim": one.name} | some one in claims],
		"engine": {"name": "postgres", "data_dirs": [dir(one.name) | some one in claims]},
	},
	"parameters": {"allow_cluster_default": false, "judge_charts": false},
}

found(document) := violations if violations := policy.violation with input as document

test_named_class_passes if found(request("CREATE", [claim({"storage_class": "fast-encrypted"})])) == set()

test_template_without_class_fails if {
	some v in found(request("CREATE", [claim({})]))
	contains(v.msg, "claim data names no storage class")
	v.path == ["spec", "volumeClaimTemplates", 0, "spec"]
	contains(v.fix, "claim template")
	contains(v.fix, "if the StatefulSet exists: kubectl delete statefulset pg -n shop --cascade=orphan, and apply it again")
}

labelled(labels) := object.union(request("CREATE", [claim({})]), {"workload": {"labels": labels}})

test_what_helm_rendered_passes if {
	every labels in [{"helm.sh/chart": "pg-1.2.3"}, {"app.kubernetes.io/managed-by": "Helm"}, {"heritage": "Tiller"}] {
		found(labelled(labels)) == set()
		strict := object.union(labelled(labels), {"parameters": {"judge_charts": true}})
		count(found(strict)) == 1
	}
	count(found(labelled({"app.kubernetes.io/managed-by": "kustomize"}))) == 1
}

test_templates_are_told_of_at_once if {
	all := found(request("CREATE", [claim({"storage_class": "x"}), claim({}), claim({"name": "wal"})]))
	{v.msg | some v in all} == {concat("", [
		"none of the claims data, wal names a storage class: ",
		"it gets whatever is the default that day, or stays pending",
	])}
}

test_template_that_exists_says_how_to_replace_it if {
	some v in found(request("UPDATE", [claim({})]))
	contains(v.fix, "kubectl delete statefulset pg -n shop --cascade=orphan")
}

test_claim_object_fails_when_it_is_made if {
	some v in found(request("CREATE", [claim({"origin": "object", "spec_path": ["spec"]})]))
	v.path == ["spec"]
	contains(v.fix, "kubectl get storageclass")
}

test_claim_object_is_left_alone_afterwards if {
	found(request("UPDATE", [claim({"origin": "object"})])) == set()
}

test_static_claim_passes if found(request("CREATE", [claim({"origin": "object", "static_binding": true})])) == set()

test_claims_of_others_and_scratch_claims_are_not_judged if {
	found(request("CREATE", [claim({"origin": "reference"}), claim({"origin": "ephemeral"})])) == set()
}

test_default_class_may_be_allowed if {
	policy.violation == set() with input as object.union(
		request("CREATE", [claim({})]),
		{"parameters": {"allow_cluster_default": true}},
	)
}

test_no_claims_pass if found(request("CREATE", [])) == set()

test_named_volume_tells_the_class if {
	some v in found(request("CREATE", [claim({"origin": "object", "volume_name": "pv-1"})]))
	v.fix == "Set spec.storageClassName to that of volume pv-1, or to \"\" if it has none"
}

test_claims_of_other_workloads_pass if {
	document := request("CREATE", [claim({})])
	other := object.union(document.workload, {"engine": {"name": "postgres", "data_dirs": []}})
	found(object.union(document, {"workload": other})) == set()
}

mounted_by(consumers) := object.union(
	request("CREATE", [claim({"origin": "object"})]),
	{"related": {"consumers": consumers}},
)

test_claim_object_is_judged_by_what_mounts_it if {
	count(found(mounted_by([]))) == 1
	count(found(mounted_by([{"holds_data": true}]))) == 1
	found(mounted_by([{"holds_data": false}])) == set()
}

test_file_must_tell_what_the_claim_is_for if {
	file := {"review": {"uid": "", "object": {"spec": {}}}}
	found(object.union(mounted_by([]), file)) == set()
	count(found(object.union(mounted_by([{"holds_data": true}]), file))) == 1
	selecting := {"review": {"uid": "", "object": {"spec": {"selector": {"matchLabels": {"app": "pg"}}}}}}
	count(found(object.union(mounted_by([]), selecting))) == 1
	named := request("CREATE", [claim({"origin": "object", "volume_name": "pv-1"})])
	count(found(object.union(named, file))) == 1
}

test_known_default_is_judged_itself if {
	document := request("CREATE", [claim({"origin": "object"})])
	found(object.union(document, {"related": {"default_storage_class": "standard"}})) == set()
}

gi := 1073741824

# A claim of 20 GiB beside volumes without a class.
beside(spec, related) := object.union(request("CREATE", [claim({"name": "c", "origin": "object", "size": 20 * gi})]), {
	"review": {"object": {"spec": spec}},
	"workload": {"name": "c"},
	"related": related,
})

volume(overrides) := object.union(
	{"name": "pv1", "storage_class": "", "capacity": 20 * gi, "labels": {"app": "ops"}},
	overrides,
)

by_hand := "Set spec.storageClassName: \"\" and spec.volumeName: pv1; with a default class it gets a new, empty volume"

test_claim_for_a_volume_made_by_hand_is_not_told_of_a_class if {
	every document in [
		beside({"selector": {"matchLabels": {"app": "ops"}}}, {"free_volumes": [volume({"capacity": 50 * gi})]}),
		beside({}, {"pvs": [volume({"claim_name": "c"})]}),
	] {
		some v in found(document)
		v.fix == by_hand
	}
}

test_volume_of_another_size_or_label_is_not_meant if {
	every size in [20, 50] {
		some v in found(beside({}, {"free_volumes": [volume({"capacity": size * gi})]}))
		contains(v.fix, "to a class of your cluster (kubectl get storageclass lists them); if it is for a volume made by hand")
		not contains(v.fix, "pv1")
	}
	some w in found(beside({"selector": {"matchLabels": {"app": "web"}}}, {"free_volumes": [volume({})]}))
	contains(w.fix, "the volumes that its selector is for")
}

test_template_with_a_selector_is_for_volumes_made_by_hand if {
	some v in found(object.union(request("CREATE", [claim({})]), {"review": {"object": {"spec": {"volumeClaimTemplates": [{
		"metadata": {"name": "data"},
		"spec": {"selector": {"matchLabels": {"app": "pg"}}},
	}]}}}}))
	contains(v.fix, "the volumes that its selector is for, or to \"\"")
}
