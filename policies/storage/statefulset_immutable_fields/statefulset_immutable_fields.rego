# METADATA
# title: A StatefulSet keeps what cannot be changed
# description: >-
#   Of a StatefulSet that exists only replicas, ordinals, the pod template, updateStrategy, revisionHistoryLimit,
#   minReadySeconds and persistentVolumeClaimRetentionPolicy can be changed. The API server refuses everything else with
#   one sentence that names neither the field nor the way out, and a deploy tool that then replaces the StatefulSet
#   stops every pod. It refuses before it asks a webhook, so this is found where it helps: in files that are compared
#   with their previous version (`--old`), before anything is applied.
#   A claim template that shrinks is the matter of pvc-no-shrink, one that changes its class that of
#   pvc-storage-class-immutable. Deleting with --cascade=orphan leaves pods and claims as they are.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/
# - ref: https://kubernetes.io/docs/tasks/run-application/delete-stateful-set/
# custom:
#   severity: medium
#   action: deny
#   match: {kinds: [StatefulSet.apps], operations: [UPDATE], classes: [durable, cache, identity-only]}
#   ratchet: false
#   fix: Keep the field; or delete the StatefulSet with --cascade=orphan, which leaves pods and claims, and apply it again.
package stategate.storage.statefulset_immutable_fields

import data.stategate.lib.statefulsets

violation contains v if {
	was := object.get(input.old_workload, "service_name", "")
	now := object.get(input.workload, "service_name", "")
	was != now
	v := {
		"msg": sprintf("serviceName changes from \"%s\" to \"%s\": the API server refuses it", [was, now]),
		"path": ["spec", "serviceName"],
		"fix": sprintf("%s; pods have their new DNS names after %s", [replace_it, statefulsets.restart]),
	}
}

violation contains v if {
	was := input.old_workload.pod_management
	now := input.workload.pod_management
	was != now
	v := {
		"msg": sprintf("podManagementPolicy changes from %s to %s: the API server refuses it", [was, now]),
		"path": ["spec", "podManagementPolicy"],
		"fix": replace_it,
	}
}

violation contains v if {
	was := input.old_workload.pods.selector
	now := input.workload.pods.selector
	was != now
	v := {
		"msg": sprintf("the selector of StatefulSet %s changes: the API server refuses it", [name]),
		"path": ["spec", "selector"],
		"fix": "Keep the selector; labels may be added to spec.template.metadata.labels",
	}
}

violation contains v if {
	was := names(input.old_workload)
	now := names(input.workload)
	was != now
	v := {
		"msg": sprintf(
			"the claim templates change from [%s] to [%s]: the API server refuses it",
			[concat(", ", was), concat(", ", now)],
		),
		"path": ["spec", "volumeClaimTemplates"],
		"fix": sprintf("%s; %s then mounts the new claims", [replace_it, statefulsets.restart]),
	}
}

violation contains v if {
	some pair in kept_templates
	pair.now.size > pair.was.size
	v := {
		"msg": sprintf(
			"claim template %s grows from %s to %s: the API server refuses it, the claims that exist can grow",
			[pair.now.name, pair.was.size_text, pair.now.size_text],
		),
		"path": array.concat(pair.now.spec_path, ["resources", "requests", "storage"]),
		"fix": sprintf(
			"Set spec.resources.requests.storage: %s in each claim %s-%s-N (kubectl edit pvc -n %s), then: %s",
			[pair.now.size_text, pair.now.name, name, input.workload.namespace, replace_it],
		),
	}
}

violation contains v if {
	some pair in kept_templates
	some field, key in fields
	was := value(pair.was, field)
	now := value(pair.now, field)
	was != now
	v := {
		"msg": sprintf("%s of claim template %s changes: the API server refuses it", [key, pair.now.name]),
		"path": array.concat(pair.now.spec_path, [key]),
		"fix": sprintf("%s; claims that exist stay as they are", [replace_it]),
	}
}

# Charts that write their version there fail at every upgrade.
violation contains v if {
	some pair in kept_templates
	some key in ["labels", "annotations"]
	was := object.get(pair.was, key, {})
	now := object.get(pair.now, key, {})
	was != now
	v := {
		"msg": sprintf("%s of claim template %s change: the API server refuses it", [key, pair.now.name]),
		"path": array.concat(pair.now.path, ["metadata", key]),
		"fix": sprintf("Keep the %s of the template; or %s (claims that exist stay as they are)", [key, replace_it]),
	}
}

# As the view calls them, and as the API does.
fields := {
	"access_modes": "accessModes",
	"volume_mode": "volumeMode",
	"volume_attributes_class": "volumeAttributesClassName",
	"data_source": "dataSource",
}

# Where a data source is written may change.
value(claim, field) := source if {
	field == "data_source"
	source := object.remove(claim.data_source, ["path"])
} else := object.get(claim, field, null)

kept_templates contains pair if {
	some now in input.workload.claims
	now.origin == "template"
	some was in input.old_workload.claims
	was.origin == "template"
	was.name == now.name
	pair := {"was": was, "now": now}
}

names(workload) := [claim.name | some claim in workload.claims; claim.origin == "template"]

name := input.workload.name

replace_it := sprintf("%s, and apply it again", [statefulsets.orphan])
