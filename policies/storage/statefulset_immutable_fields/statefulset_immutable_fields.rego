# METADATA
# title: A StatefulSet keeps its immutable fields
# description: >-
#   On an existing StatefulSet only replicas, ordinals, the pod template, updateStrategy, revisionHistoryLimit,
#   minReadySeconds and persistentVolumeClaimRetentionPolicy can be changed. The API server refuses everything else
#   with one sentence that names neither the field nor the way out, and a deploy tool that then replaces the
#   StatefulSet stops every pod. The API server refuses the update before it calls a webhook, so this policy works
#   where it helps: on files that are compared with their previous version (`--old`), before anything is applied.
#   pvc-no-shrink covers claim templates that shrink, pvc-storage-class-immutable those that change their class.
#   Deleting with --cascade=orphan leaves pods and claims as they are.
# related_resources:
# - ref: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1/
# - ref: https://kubernetes.io/docs/tasks/run-application/delete-stateful-set/
# custom:
#   severity: medium
#   action: deny
#   match: {kinds: [StatefulSet.apps], operations: [UPDATE], classes: [durable, cache, identity-only]}
#   ratchet: false
#   fix: >-
#     Keep the field; or delete the StatefulSet with --cascade=orphan, which leaves pods and claims, and apply it
#     again.
#   why: a deploy tool that replaces the StatefulSet to get the change through stops every pod
package stategate.storage.statefulset_immutable_fields

import data.stategate.lib.statefulsets

violation contains v if {
	was := object.get(input.old_workload, "service_name", "")
	now := object.get(input.workload, "service_name", "")
	was != now
	v := {
		"msg": sprintf("serviceName changes from \"%s\" to \"%s\": the API server refuses it", [was, now]),
		"path": ["spec", "serviceName"],
		"fix": sprintf(
			"Keep it: members know each other by these names%s. If none does: %s, then %s",
			[and_itself, replace_it, statefulsets.restart],
		),
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
		"fix": templates_fix({one | some one in now} - {one | some one in was}),
	}
}

# Without a new template there is no new claim.
templates_fix(new) := sprintf(
	"Keep them: their claims have the data. If volumes name these claims, or nobody needs them: %s; then %s",
	[replace_it, statefulsets.restart],
) if {
	count(new) == 0
} else := sprintf("Save the data first: new claims are empty. Then %s; %s mounts them", [replace_it, statefulsets.restart])

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

# Charts that put their version there fail at every upgrade.
violation contains v if {
	some pair in kept_templates
	some key in ["labels", "annotations"]
	was := own_metadata(pair.was, key)
	now := own_metadata(pair.now, key)
	was != now
	v := {
		"msg": sprintf("%s of claim template %s change: the API server refuses it", [key, pair.now.name]),
		"path": array.concat(pair.now.path, ["metadata", key]),
		"fix": sprintf("Keep the %s of the template; or %s (claims that exist stay as they are)", [key, replace_it]),
	}
}

# An old annotation names the class, of which pvc-storage-class-immutable tells.
own_metadata(claim, key) := object.remove(object.get(claim, key, {}), ["volume.beta.kubernetes.io/storage-class"])

and_itself := "" if {
	input.workload.engine.name != "rabbitmq"
} else := ", and RabbitMQ with long names starts empty"

# From the name in the view to the name in the API.
fields := {
	"access_modes": "accessModes",
	"volume_mode": "volumeMode",
	"volume_attributes_class": "volumeAttributesClassName",
	"data_source": "dataSource",
}

# The position of a data source in the file may change.
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
