# METADATA
# title: No deploy tool deletes a claim to make it anew
# description: >-
#   Helm and Argo CD delete a resource that is a hook before they create it again, unless its delete policy says
#   otherwise. A claim that is a hook so loses its data at every upgrade or sync, or when the chart is installed again.
#   Argo CD does the same at every sync with the options Force=true,Replace=true. Only a pod that uses the claim delays
#   the deletion. This policy checks claims, and StatefulSets whose claims are deleted with them. Hooks of other events
#   (test, pre-delete) pass, and so does a claim that only Jobs, CronJobs and Pods mount, as far as that is known.
#   hook-deletes-claims covers a hook whose script deletes claims. At admission it only warns: by then the claim that
#   was there has been deleted.
# related_resources:
# - ref: https://helm.sh/docs/topics/charts_hooks/#hook-deletion-policies
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-waves/
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#force-sync
# custom:
#   severity: critical
#   action: deny
#   atAdmission: warn
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps]}
#   inventory:
#     StatefulSet.apps: optional
#     Deployment.apps: optional
#     Job.batch: optional
#     CronJob.batch: optional
#     Pod: optional
#   fix: "Remove the hook annotations, and annotate helm.sh/resource-policy: keep."
#   why: the claim that is made anew is empty
package stategate.data_protection.deploy_tool_deletes_claim

violation contains v if {
	some way in ways
	not for_tasks
	v := {
		"msg": sprintf("%s deletes %s at every %s and makes it anew, empty: %s", [way.tool, what, way.when, way.because]),
		"path": ["metadata", "annotations", way.key],
		"fix": way.fix,
	}
}

what := sprintf("claim %s", [input.workload.name]) if input.workload.kind == "PersistentVolumeClaim"

# The claims go with the StatefulSet.
what := sprintf("StatefulSet %s with its claims", [input.workload.name]) if {
	input.workload.retention.when_deleted == "Delete"
	count([claim | some claim in input.workload.claims; claim.origin == "template"]) > 0
}

ways contains way if {
	events := listed("helm.sh/hook", "") & object.keys(moments)
	count(events) > 0
	count(listed("helm.sh/hook-delete-policy", "before-hook-creation") & {"before-hook-creation", "hook-succeeded"}) > 0
	hooked := {moments[event] | some event in events}
	in_order := [moment | some moment in ["upgrade", "rollback", "installation"]; moment in hooked]
	way := {
		"tool": "Helm",
		"when": in_order[0],
		"because": "helm.sh/hook makes it a hook",
		"key": "helm.sh/hook",
		"fix": helm_fix,
	}
}

moments := {
	"pre-install": "installation",
	"post-install": "installation",
	"pre-upgrade": "upgrade",
	"post-upgrade": "upgrade",
	"pre-rollback": "rollback",
	"post-rollback": "rollback",
}

# A claim that exists stays, and Helm takes it over.
helm_fix := concat("", [
	"Remove helm.sh/hook, and annotate helm.sh/resource-policy: keep; if the claim exists, first: ",
	sprintf("kubectl annotate pvc %s -n %s meta.helm.sh/release-name=RELEASE ", [name, namespace]),
	sprintf("meta.helm.sh/release-namespace=%s && kubectl label pvc %s -n %s ", [namespace, name, namespace]),
	"app.kubernetes.io/managed-by=Helm",
]) if {
	input.workload.kind == "PersistentVolumeClaim"
	name := input.workload.name
	namespace := input.workload.namespace
} else := "Remove helm.sh/hook, and set persistentVolumeClaimRetentionPolicy.whenDeleted: Retain"

# Helm's annotations count for Argo CD, too: that is told once.
ways contains way if {
	not annotations["helm.sh/hook"]
	count(listed("argocd.argoproj.io/hook", "") & {"PreSync", "Sync", "PostSync"}) > 0
	policies := listed("argocd.argoproj.io/hook-delete-policy", "BeforeHookCreation")
	count(policies & {"BeforeHookCreation", "HookSucceeded"}) > 0
	way := {
		"tool": "Argo CD",
		"when": "sync",
		"because": "argocd.argoproj.io/hook makes it a hook",
		"key": "argocd.argoproj.io/hook",
		"fix": "Remove argocd.argoproj.io/hook, and annotate argocd.argoproj.io/sync-options: Prune=false,Delete=false",
	}
}

ways contains way if {
	options := listed("argocd.argoproj.io/sync-options", "")
	count({"Force=true", "Replace=true"} - options) == 0
	way := {
		"tool": "Argo CD",
		"when": "sync",
		"because": "its sync options are Force=true and Replace=true",
		"key": "argocd.argoproj.io/sync-options",
		"fix": "Take Force=true and Replace=true out of argocd.argoproj.io/sync-options",
	}
}

annotations := input.workload.annotations

listed(key, default_text) := {trim_space(word) |
	some word in split(object.get(annotations, key, default_text), ",")
}

# Space for a task, such as a dump before the upgrade.
for_tasks if {
	count(input.related.consumers) > 0
	every consumer in input.related.consumers {
		consumer.kind in {"Job", "CronJob", "Pod"}
	}
}
