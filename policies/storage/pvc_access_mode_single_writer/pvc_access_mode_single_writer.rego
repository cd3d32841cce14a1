# METADATA
# title: Data with one writer is not on a claim for many
# description: >-
#   A data store expects to be the only writer of its files. ReadWriteMany lets any number of pods on any node mount
#   them: a second pod, started by mistake or while a node is unreachable, corrupts the data, and nothing stops it.
#   With ReadWriteOnce the volume is attached to one node; with ReadWriteOncePod one pod may use it. This policy
#   checks file system claims that hold a data directory or a part of one; for a claim that a pod only names it uses
#   the PersistentVolumeClaim, if that is known. Raw block devices with ReadWriteMany are shared on purpose and pass.
#   A volume known to be a directory of a node (hostPath, local) passes, too: there the mode keeps nobody out. Volumes of
#   applications that share files are not data directories. List data stores that share their directory by
#   design in exempt_engines.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   inventory: {PersistentVolumeClaim: bundle, PersistentVolume: optional}
#   parameters:
#     exempt_engines: {type: list, of: string, default: [loki, tempo], description: Data stores whose members may share one directory.}
#   fix: >-
#     Run one replica. Set accessModes: [ReadWriteOnce]; an existing claim keeps its modes: create a new one and copy
#     the data while the store is stopped.
#   why: a second pod, started by mistake or while a node is unreachable, corrupts the data
package stategate.storage.pvc_access_mode_single_writer

import data.stategate.lib.claims
import data.stategate.lib.known_claims
import data.stategate.lib.statefulsets

violation contains v if {
	engine := input.workload.engine.name
	exempt_engines := input.parameters.exempt_engines
	not engine in exempt_engines
	some claim in claims.of_data
	known := known_claims.resolved(claim)
	known.volume_mode == "Filesystem"
	"ReadWriteMany" in known.access_modes
	not on_a_node(known)
	v := {
		"msg": sprintf("claim %s holds data of %s and is ReadWriteMany: two pods could write the same files", [claim.name, engine]),
		"path": path(claim),
		"fix": fix(claim),
	}
}

# Nothing keeps a second pod out of a directory of a node, whatever the mode.
on_a_node(claim) if {
	some volume in input.related.pvs
	volume.source in {"hostPath", "local"}
	belongs(volume, claim)
}

belongs(volume, claim) if volume.claim_name == claim.name

belongs(volume, claim) if volume.name == claim.volume_name

path(claim) := array.concat(claim.spec_path, ["accessModes"]) if claim.origin == "template"

path(claim) := claim.path if claim.origin == "reference"

fix(claim) := text if {
	claim.origin == "reference"
	object.get(input.workload, "replicas", 1) > 1
	text := sprintf(
		"Set replicas: 1 now, since %d pods write the files of %s; then stop it, copy them to a ReadWriteOnce claim%s and name that",
		[input.workload.replicas, claim.name, its_volume],
	)
} else := text if {
	claim.origin == "template"
	input.review.operation == "UPDATE"
	text := sprintf(
		"New claims only: %s, then apply with accessModes: [ReadWriteOnce]",
		[statefulsets.orphan],
	)
} else := text if {
	claim.origin == "template"
	text := sprintf(
		"Set accessModes: [ReadWriteOnce] in the claim template; if the StatefulSet exists: %s, and apply it again (claims that exist keep their modes)",
		[statefulsets.orphan],
	)
} else := sprintf(
	"Make a claim with accessModes: [ReadWriteOnce]%s, copy the data of %s while it is stopped, and name the new one",
	[its_volume, claim.name],
)

# Else the claim stays pending.
its_volume := " (if volumes are made by hand, with a volume of that mode)"
