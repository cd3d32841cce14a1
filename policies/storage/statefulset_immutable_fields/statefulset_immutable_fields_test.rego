package stategate.storage.statefulset_immutable_fields_test

import data.stategate.storage.statefulset_immutable_fields as policy

gi := 1073741824

template(overrides) := object.union(
	{
		"name": "data",
		"origin": "template",
		"size": 50 * gi,
		"size_text": "50Gi",
		"storage_class": "fast",
		"access_modes": ["ReadWriteOnce"],
		"volume_mode": "Filesystem",
		"path": ["spec", "volumeClaimTemplates", 0],
		"spec_path": ["spec", "volumeClaimTemplates", 0, "spec"],
	},
	overrides,
)

old := {
	"name": "pg",
	"namespace": "shop",
	"replicas": 3,
	"service_name": "pg",
	"pod_management": "OrderedReady",
	"pods": {"selector": {"matchLabels": {"app": "pg"}}},
	"claims": [template({})],
}

changed(overrides) := violations if {
	violations := policy.violation with input as {"old_workload": old, "workload": object.union(old, overrides)}
}

test_replicas_may_change if changed({"replicas": 5}) == set()

test_service_name if {
	some v in changed({"service_name": "pg-headless"})
	v.msg == "serviceName changes from \"pg\" to \"pg-headless\": the API server refuses it"
	contains(v.fix, "If none does: kubectl delete statefulset pg -n shop --cascade=orphan, and apply it again, then")
}

test_service_name_that_is_dropped if {
	document := {"old_workload": old, "workload": object.remove(old, ["service_name"])}
	some v in policy.violation with input as document
	contains(v.msg, "from \"pg\" to \"\"")
}

test_pod_management if {
	some v in changed({"pod_management": "Parallel"})
	contains(v.msg, "from OrderedReady to Parallel")
	v.path == ["spec", "podManagementPolicy"]
}

test_selector if {
	some v in changed({"pods": {"selector": {"matchLabels": {"app": "pg", "tier": "db"}}}})
	contains(v.fix, "Keep the selector")
}

test_template_added_and_removed if {
	some v in changed({"claims": [template({}), template({"name": "wal"})]})
	contains(v.msg, "from [data] to [data, wal]")
	some w in changed({"claims": []})
	contains(w.msg, "from [data] to []")
	startswith(w.fix, "Keep them: their claims have the data")
}

test_other_claims_are_not_compared if changed({"claims": [template({}), template({"name": "x", "origin": "reference"})]}) == set()

test_growing_template_is_told_to_grow_the_claims if {
	some v in changed({"claims": [template({"size": 80 * gi, "size_text": "80Gi"})]})
	contains(v.msg, "claim template data grows from 50Gi to 80Gi")
	contains(v.fix, "in each claim data-pg-N")
	v.path == ["spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage"]
}

test_shrinking_and_class_are_the_faults_of_other_policies if {
	changed({"claims": [template({"size": 10 * gi, "storage_class": "gp2"})]}) == set()
}

test_access_modes_and_others if {
	some v in changed({"claims": [template({"access_modes": ["ReadWriteMany"]})]})
	contains(v.msg, "accessModes of claim template data changes")
	some w in changed({"claims": [template({"volume_attributes_class": "gold"})]})
	w.path == ["spec", "volumeClaimTemplates", 0, "spec", "volumeAttributesClassName"]
}

test_labels_of_a_template if {
	some v in changed({"claims": [template({"labels": {"helm.sh/chart": "pg-2"}})]})
	v.msg == "labels of claim template data change: the API server refuses it"
	v.path == ["spec", "volumeClaimTemplates", 0, "metadata", "labels"]
	contains(v.fix, "Keep the labels of the template; or kubectl delete statefulset pg -n shop --cascade=orphan")
	count(changed({"claims": [template({"annotations": {"note": "x"}})]})) == 1
}

test_data_source if {
	source := {"kind": "VolumeSnapshot", "name": "nightly", "path": ["x"]}
	moved := {"kind": "VolumeSnapshot", "name": "nightly", "path": ["y"]}
	was := object.union(old, {"claims": [template({"data_source": source})]})
	now := object.union(old, {"claims": [template({"data_source": moved})]})
	same := policy.violation with input as {"old_workload": was, "workload": now}
	same == set()
	some v in changed({"claims": [template({"data_source": source})]})
	contains(v.msg, "dataSource of claim template data changes")
}

test_the_class_s_old_annotation_is_told_elsewhere if {
	changed({"claims": [template({"annotations": {"volume.beta.kubernetes.io/storage-class": "fast"}})]}) == set()
}

test_long_names_matter_to_rabbitmq if {
	some v in changed({"service_name": "other", "engine": {"name": "rabbitmq"}})
	contains(v.fix, "and RabbitMQ with long names starts empty. If none does")
	some w in changed({"service_name": "other", "engine": {"name": "redis"}})
	contains(w.fix, "members know each other by these names. If none does")
	some x in changed({"service_name": "other"})
	contains(x.fix, "RabbitMQ")
}
