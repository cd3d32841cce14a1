# METADATA
# title: Claims request a sensible size
# description: >-
#   A claim is an order for hardware that anyone can place with one line, and it cannot be reduced: a claim never
#   shrinks. One zero too many is a bill, and a size without a unit is in bytes: `storage: 20` is a disk that no data
#   store fits on. This policy checks claims and claim templates against a minimum and a maximum. The minimum is for
#   sizes without a unit and for claims that hold a data store's data: a claim of 50Mi for the state of some other
#   program is meant so, and so is one for a volume made by hand of that size. The maximum is that
#   of the class (class_maximum) or else that of the tier, which is the label stategate.io/tier of the Namespace or
#   default_tier. A tier without an entry has no maximum, nor does a claim that names a volume made by hand which is an
#   NFS or SMB export or a directory of a node: its size is only a number. Generic ephemeral volumes are not checked, nor are the
#   claims that an existing StatefulSet creates for further replicas.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/policy/resource-quotas/
# - ref: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
# custom:
#   severity: medium
#   action: deny
#   match: {kinds: [StatefulSet.apps, PersistentVolumeClaim]}
#   inventory: {PersistentVolume: optional}
#   parameters:
#     minimum: {type: quantity, default: 64Mi, description: The smallest size a claim may request.}
#     maximum:
#       type: map
#       of: quantity
#       default: {dev: 100Gi, staging: 1Ti, prod: 16Ti}
#       description: The largest size a claim may request, by tier.
#     class_maximum:
#       type: map
#       of: quantity
#       default: {}
#       description: The largest size a claim of a class (glob) may request, whatever the tier.
#     default_tier: {type: string, default: prod, description: Tier of a Namespace without the label.}
#   fix: Request what the data needs, with a unit such as Gi.
#   why: a claim never shrinks, and a number without a unit means bytes
package stategate.storage.pvc_size_limits

import data.stategate.lib.claims
import data.stategate.lib.globs
import data.stategate.lib.meant_volumes
import data.stategate.lib.requested_claims
import data.stategate.lib.tiers

mi := 1048576

violation contains v if {
	some claim in requested_claims.requested
	claim.size < input.parameters.minimum
	too_small(claim)
	not volume_is_small
	v := {
		"msg": sprintf("claim %s asks for %s: less than any data store needs", [claim.name, claim.size_text]),
		"path": path(claim),
		"fix": sprintf("Ask for %s or more, with a unit: a number without one is bytes", [shown(input.parameters.minimum)]),
	}
}

violation contains v if {
	some claim in requested_claims.requested
	limit := maximum(claim)
	claim.size > limit.bytes
	not nominal(claim)
	v := {
		"msg": sprintf("claim %s asks for %s: %s allows %s", [claim.name, claim.size_text, limit.whose, shown(limit.bytes)]),
		"path": path(claim),
		# Growing further is a new violation.
		"key": sprintf("%s over its maximum with %s", [claim.name, claim.size_text]),
		"fix": sprintf("Ask for %s or less; a larger maximum is a parameter of this policy", [shown(limit.bytes)]),
	}
}

# Bytes, or thousandths of them: 1M is a megabyte.
too_small(claim) if regex.match(`^[0-9.]+([eE][0-9]+|m)?$`, claim.size_text)

too_small(claim) if claim in claims.of_data

# The claim would never be bound to it if it asked for more.
volume_is_small if {
	some volume in meant_volumes.meant | meant_volumes.of_its_size
	volume.capacity < input.parameters.minimum
}

# Of an export or a directory that was made by hand, nothing orders or enforces the size.
nominal(claim) if {
	name := claim.volume_name
	some volume in input.related.pvs
	volume.name == name
	not volume.annotations["pv.kubernetes.io/provisioned-by"]
	of_a_directory(volume)
}

of_a_directory(volume) if volume.source in {"nfs", "hostPath"}

of_a_directory(volume) if volume.driver in {"nfs.csi.k8s.io", "smb.csi.k8s.io"}

maximum(claim) := {"bytes": min(of_class), "whose": sprintf("class %s", [claim.storage_class])} if {
	of_class := [bytes |
		some pattern, bytes in input.parameters.class_maximum
		globs.matches_any([pattern], claim.storage_class)
	]
	count(of_class) > 0
} else := {"bytes": input.parameters.maximum[tier], "whose": sprintf("tier %s", [tier])} if {
	input.parameters.maximum[tier]
}

tier := tiers.tier

path(claim) := array.concat(claim.spec_path, ["resources", "requests", "storage"])

# In the largest unit without a remainder: a limit that was rounded up would be refused again.
shown(bytes) := text if {
	text := [sprintf("%d%s", [bytes / size, unit]) |
		some [unit, size] in [["Ti", (mi * 1024) * 1024], ["Gi", mi * 1024], ["Mi", mi]]
		bytes > 0
		bytes % size == 0
	][0]
} else := sprintf("%d bytes", [bytes])
