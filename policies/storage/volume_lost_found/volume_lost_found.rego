# METADATA
# title: The data directory is not the root of a new volume
# description: >-
#   A new ext4 file system, which most block storage has, is not empty: its root holds the directory lost+found. initdb
#   refuses a directory that is not empty, so PostgreSQL does not start on the new volume, and Kafka takes lost+found
#   for a partition and stops. This policy looks at workloads that are created: the official PostgreSQL image and those
#   built on it, Apache's and Confluent's Kafka. File systems without lost+found pass where the storage class or its name
#   (nfs, cephfs, efs) shows them or the claim's volume is a directory or was made by hand, as those of a class without a
#   provisioner are, and so do volumes that an init container mounts first. On a volume with data, the directory must stay
#   where it is.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#pgdata
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [CREATE]}
#   inventory:
#     StorageClass.storage.k8s.io: optional
#     PersistentVolumeClaim: optional
#     PersistentVolume: optional
#   audited: false
#   parameters:
#     images:
#       type: list
#       of: string
#       default: [postgres, postgis, pgvector, timescaledb, kafka, kafka-native, cp-kafka, cp-server]
#       description: Images, by the last part of their repository, that do not start beside lost+found.
#     other_repositories:
#       type: list
#       of: string
#       default: ["*bitnami*", "*strimzi*", "*rhel*"]
#       description: Repositories (globs) of images that use a directory below their volume.
#     without_lost_found:
#       type: list
#       of: string
#       default: [rancher.io/local-path, "*hostpath*", "*nfs*", "*cephfs*", "*gluster*", "fuseim.pri/*", efs.csi.aws.com, file.csi.azure.com]
#       description: Provisioners (globs) whose volumes have no lost+found.
#     classes_without_object:
#       type: list
#       of: string
#       default: [manual, local-storage]
#       description: >-
#         Class names (globs) that only manually created volumes use, unless a StorageClass of that name is known.
#   fix: Mount the volume with a subPath. On a volume that holds data already, change nothing.
#   why: the root of a new ext4 file system holds lost+found
package stategate.storage.volume_lost_found

import data.stategate.lib.data_dirs
import data.stategate.lib.globs
import data.stategate.lib.known_claims
import data.stategate.lib.no_provisioner

violation contains v if {
	some dir in input.workload.engine.data_dirs
	not data_dirs.uncertain(dir)
	dir.mount.source in {"volumeClaimTemplate", "persistentVolumeClaim"}
	dir.dir == dir.mount.mount_path
	object.get(dir.mount, "sub_path", "") == ""
	minds_lost_found(dir.container)
	name := dir.mount.volume
	not has_none(name)
	not prepared(name)
	v := {
		"msg": sprintf(
			"%s does not start on a new volume at %s%s: the root of an ext4 file system holds lost+found",
			[input.workload.engine.name, dir.dir, condition(name)],
		),
		"path": dir.mount.path,
		"fix": fix(dir),
	}
}

condition(volume_name) := "" if {
	some volume in input.workload.volumes
	volume.name == volume_name
	input.related.claim_classes[volume.claim]
} else := ", if its class makes ext4 file systems"

# From 18 on, the image refuses such a mount for another reason: it wants the volume one directory higher.
fix(dir) := concat("", [
	"Name a version in the image's tag: of 18 and later, mount the volume at /var/lib/postgresql; of an older one, mount ",
	"it with subPath: data", alternative(dir), "; if the volume holds data already, keep to the ",
	"version that wrote it and change neither",
]) if {
	dir.dir == "/var/lib/postgresql/data"
	not input.workload.engine.major
	dir.container in moved
} else := sprintf(
	"Mount it with subPath: data%s; if the volume holds data already, change neither (the store would start empty)",
	[alternative(dir)],
)

moved := {container.name |
	some container in input.workload.containers
	regex.match(`(^|/)(postgres|postgis|pgvector)$`, container.image.repository)
}

alternative(dir) := sprintf(", or set PGDATA: %s/pgdata", [dir.dir]) if {
	input.workload.engine.name == "postgres"
	not named_in_a_script(dir.dir)
} else := ""

# Such as pg_basebackup -D: the store would look elsewhere, and start empty.
named_in_a_script(path) if {
	some container in input.workload.containers
	some text in array.concat(
		array.concat(container.command, container.args),
		[file.text | some file in object.get(container, "files", [])],
	)
	contains(text, path)
}

minds_lost_found(name) if {
	some container in input.workload.containers
	container.name == name
	parts := split(container.image.repository, "/")
	parts[count(parts) - 1] in input.parameters.images
	other := input.parameters.other_repositories
	not globs.matches_any(other, container.image.repository)
}

# An init container may remove it, or make a directory.
prepared(volume_name) if {
	some container in input.workload.containers
	container.role == "init"
	some mount in container.mounts
	mount.volume == volume_name
}

has_none(volume_name) if {
	some volume in input.workload.volumes
	volume.name == volume_name
	class := input.related.claim_classes[volume.claim]
	no_ext(class)
}

# Directories, or the user's own disks, of which nothing is known.
has_none(volume_name) if {
	some volume in input.workload.volumes
	volume.name == volume_name
	claim := volume.claim
	some pv in input.related.pvs
	pv.claim_name == claim
	pv.source in by_hand
}

has_none(volume_name) if {
	some volume in input.workload.volumes
	volume.name == volume_name
	some pvc in input.related.pvcs
	pvc.name == volume.claim
	some pv in input.related.pvs
	pv.name == pvc.volume_name
	pv.source in by_hand
}

# Nobody provisions volumes of such a class.
has_none(volume_name) if {
	some volume in input.workload.volumes
	volume.name == volume_name
	some claim in input.workload.claims
	claim.name == volume.claim
	class := known_claims.resolved(claim).storage_class
	globs.matches_any(input.parameters.classes_without_object, class)
	not input.related.claim_classes[claim.name]
}

# Its name says that it makes directories on a network file system.
has_none(volume_name) if {
	some volume in input.workload.volumes
	volume.name == volume_name
	some claim in input.workload.claims
	claim.name == volume.claim
	regex.match(`(?i)nfs|cephfs|gluster|filestore|azure-?file|(^|[-_.])(efs|smb|cifs)`, known_claims.resolved(claim).storage_class)
}

by_hand := {"hostPath", "local", "nfs", "cephfs", "glusterfs"}

no_ext(class) if globs.matches_any(input.parameters.without_lost_found, class.provisioner)

no_ext(class) if no_provisioner.provisions_nothing(class)

no_ext(class) if {
	some name, value in class.parameters
	lower(name) in {"fstype", "csi.storage.k8s.io/fstype"}
	not startswith(lower(value), "ext")
}
