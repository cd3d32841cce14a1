# METADATA
# title: What Argo CD must not prune, it must not delete either
# description: >-
#   Prune=false keeps a claim when it is no longer in Git. It does not keep it when the Application is deleted: for that
#   there is an option of its own, Delete=false. Whoever sets one wants to keep the data and mostly needs both. This
#   policy checks claims and claim templates. Delete=confirm and Helm's helm.sh/resource-policy: keep, which Argo CD
#   understands, are enough, too.
# related_resources:
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#no-resource-deletion
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps]}
#   fix: "Annotate argocd.argoproj.io/sync-options: Prune=false,Delete=false."
#   why: deleting the Application deletes the claim
package stategate.data_protection.argocd_keeps_claims

import data.stategate.lib.statefulsets

violation contains v if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	said := claim.annotations["argocd.argoproj.io/sync-options"]
	options := {trim_space(option) | some option in split(said, ",")}
	"Prune=false" in options
	count(options & {"Delete=false", "Delete=confirm"}) == 0
	not claim.annotations["helm.sh/resource-policy"] == "keep"
	v := {
		"msg": sprintf(
			"claim %s is kept when Argo CD prunes, and deleted with the Application: Prune=false is set, Delete=false is not",
			[claim.name],
		),
		"path": array.concat(claim.path, ["metadata", "annotations", "argocd.argoproj.io/sync-options"]),
		"fix": sprintf(
			"Annotate argocd.argoproj.io/sync-options: %s,Delete=false (claims that exist: kubectl annotate --overwrite pvc)%s",
			[said, template_first(claim)],
		),
	}
}

# The template of a StatefulSet that exists does not change.
template_first(claim) := sprintf("; if the StatefulSet exists: %s, and apply it again", [statefulsets.orphan]) if {
	claim.origin == "template"
} else := ""
