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
		"fix": fix(claim, sprintf("%s,Delete=false", [plain(said)])),
	}
}

# The template counts for claims yet to come, and in a StatefulSet that exists it does not change.
fix(claim, options) := sprintf(
	"Annotate each claim that exists: kubectl annotate pvc %s-%s-0%s --overwrite %s=%s; in the template, it counts for claims yet to come",
	[claim.name, input.workload.name, in_namespace, key, options],
) if {
	claim.origin == "template"
} else := sprintf("Annotate %s: %s", [key, options])

key := "argocd.argoproj.io/sync-options"

# A shell would read anything else.
plain(said) := said if {
	regex.match(`^[A-Za-z=,]+$`, said)
} else := "Prune=false"

in_namespace := sprintf(" -n %s", [input.workload.namespace]) if {
	input.workload.namespace != ""
} else := ""
