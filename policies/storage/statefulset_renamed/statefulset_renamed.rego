# METADATA
# title: A data store that is renamed or replaced does not leave its data behind
# description: >-
#   The claims of a StatefulSet carry its name. Under another name, or in another namespace, it makes new claims and
#   starts empty, while the data stays in the claims of the old one. If a tool prunes, it stops the old one as well, and
#   applications that find the new one write to an empty database. A chart's fullnameOverride, a new release name or a
#   changed prefix is enough. So is a Deployment that becomes a StatefulSet, or the other way round: the claim that one
#   named is not the one that the other makes, and goes with it where a tool prunes. This policy compares files with
#   their previous version (`--old`): it flags a StatefulSet that is new if one that is no longer there had the same
#   claim templates and the same data store, and a new workload if one that is no longer there ran the same data store on
#   claims that the new one does not name. It passes if claims for the new name are known already, or if its claims are
#   made of a snapshot or of another claim.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [CREATE]}
#   inventory: {StatefulSet.apps: optional, Deployment.apps: optional, PersistentVolumeClaim: optional}
#   audited: false
#   fix: Keep the name or the claim, or dump the data before the change and load it into the new one.
#   why: claims belong to the name, so the new one starts with empty ones
package stategate.storage.statefulset_renamed

import data.stategate.lib.dumps

violation contains v if {
	count(left) > 0
	not has_claims
	made := [claim.name | some claim in input.workload.claims; claim.origin == "template"; not claim.data_source]
	count(made) > 0
	names := concat(" or ", {sprintf("%s/%s", [gone.namespace, gone.name]) | some gone in left})
	kept := concat(" or ", {concat(" and ", claims_of(gone, made)) | some gone in left})
	v := {
		"msg": sprintf(
			"StatefulSet %s is gone and %s is new: it starts with empty claims (%s), and the data stays in %s",
			[names, input.workload.name, concat(" and ", claims_of(input.workload, made)), kept],
		),
		"path": ["metadata", "name"],
		"key": concat(",", made),
		"fix": sprintf("Keep the %s; or dump the data first, and load it into the new StatefulSet", [what_changed]),
	}
}

what_changed := "namespace" if {
	some gone in left
	gone.name == input.workload.name
} else := "name (in a chart: fullnameOverride)"

violation contains v if {
	count(deserted) > 0
	not has_claims
	not restored
	names := concat(" or ", {sprintf("%s %s/%s", [gone.kind, gone.namespace, gone.name]) | some gone in deserted})
	kept := concat(" and ", {claim | some gone in deserted; some claim in abandoned(gone)})
	v := {
		"msg": sprintf(
			"%s is gone and %s %s is new: it starts empty, and the data stays in claim %s, if no tool prunes that, too",
			[names, input.workload.kind, input.workload.name, kept],
		),
		"path": ["metadata", "name"],
		"key": kept,
		"fix": sprintf(
			"Name claim %s in its volumes (with one replica); or dump the data first (%s), and afterwards %s",
			[kept, dumps.with_tool(input.workload.engine.name), dumps.back],
		),
	}
}

# Workloads that ran this data store on claims that the new one does not name. A StatefulSet that another one replaces is
# among those above.
deserted contains gone if {
	some gone in input.related.departed
	gone.engine.name == input.workload.engine.name
	not both_make_claims(gone)
	count(abandoned(gone)) > 0
}

both_make_claims(gone) if {
	gone.kind == "StatefulSet"
	input.workload.kind == "StatefulSet"
}

abandoned(gone) := {name |
	some dir in gone.engine.data_dirs
	some volume in gone.volumes
	volume.name == dir.mount.volume
	some claim in gone.claims
	claim.name == volume.claim
	name := name_of(claim, gone)
} - {claim.name | some claim in input.workload.claims; claim.origin == "reference"}

name_of(claim, _) := claim.name if claim.origin == "reference"

# The claim of the first replica stands for all.
name_of(claim, gone) := sprintf("%s-%s-0", [claim.name, gone.name]) if claim.origin == "template"

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

claims_of(workload, made) := [sprintf("%s/%s-%s-0", [workload.namespace, name, workload.name]) | some name in made]

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
