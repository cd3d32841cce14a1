# METADATA
# title: A disk has one PersistentVolume
# description: >-
#   Kubernetes binds each PersistentVolume to one claim, but it does not notice that two of them name the same disk.
#   Both claims are then bound to it, two pods mount it, and the file system or the database on it is corrupted. It
#   happens when a volume is moved to another namespace or name and the old object stays. This policy compares the
#   driver and the volumeHandle of csi volumes with all others that stategate knows. It also compares in-tree cloud
#   disks, iSCSI targets, and directories of one node. Volumes that are shared by design pass: those that can only be
#   mounted by many pods or read-only, and those of network file systems. A released volume that is retained mounts
#   nowhere and passes as well.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#csi
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#reclaim-policy
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [PersistentVolume]}
#   inventory: {PersistentVolume: optional}
#   parameters:
#     shared_drivers:
#       type: list
#       of: string
#       default:
#       - "*nfs*"
#       - "*smb*"
#       - "*cephfs*"
#       - "*lustre*"
#       - "*fsx*"
#       - efs.csi.aws.com
#       - s3.csi.aws.com
#       - file.csi.azure.com
#       - blob.csi.azure.com
#       - filestore.csi.storage.gke.io
#       - gcsfuse.csi.storage.gke.io
#       description: Drivers (globs) of file systems that many pods may write.
#   fix: >-
#     Keep one PersistentVolume for the disk. Of the other, set the reclaim policy to Retain before deleting it. Give
#     those of one directory a directory each.
#   why: two claims that write one disk corrupt what is on it
package stategate.storage.pv_volume_handle_unique

import data.stategate.lib.globs

violation contains v if {
	own := input.workload.persistent_volume
	shared := input.parameters.shared_drivers
	driver := object.get(own, "driver", own.source)
	not globs.matches_any(shared, driver)
	others := [other |
		some other in input.related.pvs
		not released(other)
		not both_shared(own, other)
	]
	count(others) > 0
	every other in others {
		told_here(other)
	}
	names := concat(" and ", array.concat([input.workload.name], [other.name | some other in others]))
	v := {
		"msg": sprintf("PersistentVolumes %s are one %s (%s): %s", [names, thing(own), own.handle, danger(others)]),
		"path": place(own),
		"key": concat(" ", [other.name | some other in others]),
		"fix": fix(own, others),
	}
}

thing(own) := "directory" if {
	own.source in {"hostPath", "local"}
} else := "disk"

danger(others) := "two claims can write it at once" if {
	count(others) == 1
} else := sprintf("%d claims can write it at once", [count(others) + 1])

place(own) := ["spec", "csi", "volumeHandle"] if {
	own.source == "csi"
} else := ["spec", own.source]

# What writes into one directory may be parts of one system, of which each needs its volume, or programs that share
# files on purpose.
fix(own, others) := concat(" ", [
	first(own, others),
	"If programs share these files on purpose (no data store's), make volumes and claims anew with accessModes:",
	"[ReadWriteMany]; else give each a directory of its own: with their pods stopped, move what belongs to all but one",
	"elsewhere, and make their PersistentVolumes and claims anew with the new paths",
]) if {
	thing(own) == "directory"
	count(kept(own, others)) > 0
} else := concat(" ", [
	"If programs share these files on purpose (no data store's), make volumes and claims anew with accessModes:",
	"[ReadWriteMany]; else give each a directory of its own: with their pods stopped, move what belongs to all but one",
	"elsewhere, and make their PersistentVolumes and claims anew with the new paths",
]) if {
	thing(own) == "directory"
} else := sprintf(
	"Keep one of them. Before you delete the other, lest that deletes the disk: %s",
	[concat("; ", kept(own, others))],
) if {
	count(kept(own, others)) > 0
} else := "Keep one of them. Delete the other: with reclaim policy Retain, the disk stays"

first(own, others) := sprintf(
	"First, lest the end of one of them deletes the files: %s.",
	[concat("; ", kept(own, others))],
)

# Whichever goes may take the disk along.
kept(own, others) := array.concat(
	[sprintf("set persistentVolumeReclaimPolicy: Retain in the manifest of %s", [one.name]) |
		some one in erased(own, others)
		not is_there(one)
	],
	[sprintf("kubectl patch pv %s -p '%s'", [one.name, retain]) | some one in erased(own, others); is_there(one)],
)

erased(own, others) := [one |
	some one in array.concat(
		[{"name": input.workload.name, "volume": own}],
		[{"name": other.name, "volume": other} | some other in others],
	)
	one.volume.reclaim_policy != "Retain"
]

# One that is not there yet cannot be patched.
is_there(one) if one.volume.phase

is_there(one) if {
	input.old_workload
	one.name == input.workload.name
}

retain := `{"spec": {"persistentVolumeReclaimPolicy": "Retain"}}`

released(volume) if {
	volume.phase in {"Released", "Failed"}
	volume.reclaim_policy == "Retain"
}

both_shared(one, other) if {
	modes := {mode | some mode in array.concat(one.access_modes, other.access_modes)}
	count(modes) > 0
	count(modes - {"ReadWriteMany", "ReadOnlyMany"}) == 0
}

both_shared(one, other) if {
	one.read_only
	other.read_only
}

# Of two files, one tells. What has a phase is in a cluster, and at admission all others are.
told_here(other) if other.phase

told_here(_) if input.review.uid != ""

told_here(other) if {
	not other.phase
	own := input.workload.name
	own > other.name
}
