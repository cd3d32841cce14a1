# METADATA
# title: A renamed StatefulSet does not leave its data behind
# description: >-
#   The claims of a StatefulSet carry its name. Under another name, or in another namespace, it makes new claims and
#   starts empty, while the data stays in the claims of the old one. If a tool prunes, it stops the old one as well, and
#   applications that find the new one write to an empty database. A chart's fullnameOverride, a new release name or a
#   changed prefix is enough. This policy compares files with their previous version (`--old`): it flags a StatefulSet
#   that is new if one that is no longer there had the same claim templates and the same data store. It passes if claims
#   for the new name are known already, or if its claims are made of a snapshot or of another claim.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps], operations: [CREATE]}
#   inventory: {StatefulSet.apps: optional, PersistentVolumeClaim: optional}
#   audited: false
#   fix: Keep the name, or dump the data before the change and load it into the new StatefulSet.
#   why: claims belong to the name, so the new StatefulSet starts with empty ones
package stategate.storage.statefulset_renamed

violation contains v if {
	count(left) > 0
	not has_claims
	some claim in input.workload.claims
	claim.origin == "template"
	not claim.data_source
	template := claim.name
	names := concat(" or ", {sprintf("%s/%s", [gone.namespace, gone.name]) | some gone in left})
	kept := concat(" or ", {claim_of(gone, template) | some gone in left})
	v := {
		"msg": sprintf(
			"StatefulSet %s is gone and %s is new: it starts with an empty claim %s, and the data stays in %s",
			[names, input.workload.name, claim_of(input.workload, template), kept],
		),
		"path": ["metadata", "name"],
		"key": template,
		"fix": "Keep the name (in a chart: fullnameOverride); or dump the data first, and load it into the new StatefulSet",
	}
}

left contains gone if {
	some gone in input.related.departed
	templates(gone) == templates(input.workload)
	store(gone) == store(input.workload)
}

claim_of(workload, template) := sprintf("%s/%s-%s-0", [workload.namespace, template, workload.name])

templates(workload) := {claim.name | some claim in workload.claims; claim.origin == "template"}

# The data store or, if it is none that is known, the images without their tags.
store(workload) := workload.engine.name if {
	workload.engine
} else := {sprintf("%s/%s", [container.image.registry, container.image.repository]) |
	some container in workload.containers
	container.role == "main"
}

has_claims if {
	some claim in input.related.pvcs
	claim.template
}
