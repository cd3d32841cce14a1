# METADATA
# title: Claims of a StatefulSet do not carry Argo CD's tracking label
# description: >-
#   Where Argo CD tracks resources by label, it takes everything with its label for a part of the Application. The label
#   in a claim template is copied to every claim, and claims are never in Git. As long as the StatefulSet is there, Argo
#   CD counts them as its children. Once it is renamed or removed, they are resources that Git no longer has: automated
#   pruning deletes them, and so may the deletion of the Application. This policy checks claim templates for
#   argocd.argoproj.io/instance, which has no other use. The default of older versions, app.kubernetes.io/instance,
#   passes, since charts set it for themselves. Claims that are annotated with Prune=false,Delete=false stay and pass,
#   and so does a StatefulSet that is tracked by annotation.
# related_resources:
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/
# - ref: https://argo-cd.readthedocs.io/en/stable/user-guide/sync-options/#no-resource-deletion
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps]}
#   fix: Remove the label argocd.argoproj.io/instance from the claim template and from the claims that exist.
#   why: Argo CD deletes what carries its label and is not in Git
package stategate.data_protection.argocd_tracks_claims

label := "argocd.argoproj.io/instance"

violation contains v if {
	not input.workload.annotations["argocd.argoproj.io/tracking-id"]
	some claim in input.workload.claims
	claim.origin == "template"
	application := claim.labels[label]
	not kept(claim)
	v := {
		"msg": sprintf(
			"claims of template %s count as parts of Application %s: once %s is renamed or removed, Argo CD deletes them",
			[claim.name, application, input.workload.name],
		),
		"path": array.concat(claim.path, ["metadata", "labels", label]),
		"fix": fix(claim),
	}
}

kept(claim) if {
	said := claim.annotations["argocd.argoproj.io/sync-options"]
	options := {trim_space(option) | some option in split(said, ",")}
	count({"Prune=false", "Delete=false"} - options) == 0
}

fix(claim) := concat("", [
	sprintf("Remove %s from the template; if claims exist: kubectl label pvc ", [label]),
	sprintf("-n %s %s-%s-N %s- (N: each ordinal), kubectl annotate pvc -n %s ", [namespace, claim.name, name, label, namespace]),
	sprintf("%s-%s-N argocd.argoproj.io/sync-options=Prune=false,Delete=false, then ", [claim.name, name]),
	sprintf("kubectl delete statefulset %s -n %s --cascade=orphan, and apply it again", [name, namespace]),
]) if {
	name := input.workload.name
	namespace := input.workload.namespace
}
