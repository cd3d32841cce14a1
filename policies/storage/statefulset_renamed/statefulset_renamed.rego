# METADATA
# title: A renamed StatefulSet does not leave its data behind
# description: >-
#   The claims of a StatefulSet carry its name. Under another name, or in another namespace, it makes new claims and
#   starts empty, while the data stays in the claims of the old one. If a tool prunes, it stops the old one as well, and
#   applications that find the new one write to an empty database. A chart's fullnameOverride, a new release name or a
#   changed prefix is enough, and so is a Deployment that becomes a StatefulSet: the claim that it named is not the one
#   that the StatefulSet makes, and goes with the Deployment where a tool prunes. This policy compares files with their
#   previous version (`--old`): it flags a StatefulSet that is new if one that is no longer there had the same claim
#   templates and the same data store, or if a Deployment that is no longer there ran the same data store on claims that
#   the new one does not name. It passes if claims for the new name are known already, or if its claims are made of a
#   snapshot or of another claim.
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

import data.stategate.lib.dumps

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

violation contains v if {
	count(deserted) > 0
	not has_claims
	not restored
	names := concat(" or ", {sprintf("%s/%s", [gone.namespace, gone.name]) | some gone in deserted})
	kept := concat(" or ", {claim | some gone in deserted; some claim in abandoned(gone)})
	v := {
		"msg": sprintf(
			"Deployment %s is gone and StatefulSet %s is new: it starts empty, and the data stays in claim %s, if no tool prunes that, too",
			[names, input.workload.name, kept],
		),
		"path": ["metadata", "name"],
		"key": kept,
		"fix": sprintf(
			"Name claim %s in the StatefulSet's volumes (with one replica); or dump the data first (%s), and afterwards %s",
			[kept, dumps.with_tool(input.workload.engine.name), dumps.back],
		),
	}
}

# Deployments that ran this data store on claims that nobody here names.
deserted contains gone if {
	some gone in input.related.departed
	gone.kind == "Deployment"
	gone.engine.name == input.workload.engine.name
	count(abandoned(gone)) > 0
}

abandoned(gone) := {claim.name |
	some dir in gone.engine.data_dirs
	some volume in gone.volumes
	volume.name == dir.mount.volume
	some claim in gone.claims
	claim.origin == "reference"
	claim.name == volume.claim
} - {claim.name | some claim in input.workload.claims; claim.origin == "reference"}

restored if {
	some claim in input.workload.claims
	claim.data_source
}

left contains gone if {
	some gone in input.related.departed
	count(templates(gone)) > 0
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
