# METADATA
# title: The pods' user can use the files that are there
# description: >-
#   Files on a volume belong to the user that wrote them. If an update changes runAsUser, the new process is another
#   user: it may not write what the old one wrote, and the pod crashes until the change is taken back. With fsGroup,
#   the kubelet gives all files to that group when it mounts the volume, which is enough for most stores. It is not
#   for PostgreSQL, which refuses a data directory that it does not own. This policy compares the users of an update,
#   as written or, for images where they are known, by default. It stays silent where the new pods run as root or have
#   an init container or a script that changes owners, where the volume is shared by network (NFS and others map users
#   themselves), and where the image comes from another maker, which image-maker-change covers.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-the-security-context-for-a-pod
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#arbitrary---user-notes
# - ref: https://github.com/docker-library/postgres/blob/master/Dockerfile-alpine.template
#   description: The user postgres is 70 in Alpine's image, and 999 in Debian's.
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Keep runAsUser and fsGroup; to change them, stop the pods and let an init container of root chown the volume
#     once.
#   why: "the process may not write the files that another user wrote"
package stategate.lifecycle.file_owner_unchanged

import data.stategate.lib.data_dirs
import data.stategate.lib.makers

violation contains v if {
	not makers.change
	not changes_owners
	some container in input.workload.containers
	container.role == "main"
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
	own_to_one_pod(mount)
	before := [old |
		some old in input.old_workload.containers
		old.name == container.name
		some earlier in old.mounts
		earlier.volume == mount.volume
		data_dirs.persisted({"mount": earlier})
	][0]
	was := user(before, pod_before)
	now := user(container, pod_now)
	was != now
	now != 0
	obstacle := refused(container, mount)
	v := {
		"msg": sprintf(
			"the files in volume %s belong to user %d, but container %s now runs as %d: %s",
			[mount.volume, was, container.name, now, obstacle],
		),
		"path": path(container),
		"key": sprintf("%s %s", [container.name, mount.volume]),
		"fix": sprintf("Keep runAsUser: %d%s; to change it, %s", [was, group_kept, way(now, mount)]),
	}
}

path(container) := array.concat(container.path, ["securityContext", "runAsUser"]) if {
	container.security.runAsUser
} else := array.concat(input.workload.pods.spec_path, ["securityContext"])

pod_now := of_pod(input.review.object)

pod_before := of_pod(input.review.oldObject)

of_pod(whole) := object.get(whole, context, {}) if is_object(whole)

context := array.concat(input.workload.pods.spec_path, ["securityContext"])

# The user of a container's processes; undefined if it is not known.
user(container, pod) := container.security.runAsUser if {
	container.security.runAsUser >= 0
} else := pod.runAsUser if {
	pod.runAsUser >= 0
} else := by_image(container)

# What the process ends up as, where the image starts as root and then steps down. It gives its files to that user
# first, so that only the old side of a change can be told from it.
by_image(container) := 70 if {
	container.image.repository == "library/postgres"
	contains(container.image.tag, "alpine")
} else := 999 if {
	container.image.repository == "library/postgres"
	container.image.tag != ""
} else := 999 if {
	container.image.repository in {"library/mariadb", "library/mongo", "library/mysql", "library/redis"}
} else := 1001 if {
	regex.match(`(^|/)percona/percona-(server(-mongodb)?|xtradb-cluster)$`, container.image.repository)
} else := 1001 if {
	regex.match(`bitnami[^/]*/`, container.image.repository)
} else := 65534 if {
	container.image.repository == "prom/prometheus"
} else := 1000 if {
	container.image.repository in {"elasticsearch/elasticsearch", "library/elasticsearch"}
}

# Without runAsUser these official images start as root and chown.
adapts(container) if {
	not pod_now.runAsUser
	not container.security.runAsUser
	container.image.repository in {"library/mariadb", "library/mongo", "library/mysql", "library/postgres", "library/redis"}
}

refused(container, _) := "postgres refuses a data directory that it does not own, and fsGroup does not help" if {
	container.engine == "postgres"
	not adapts(container)
} else := sprintf("it may not write them, and no fsGroup gives them to its group%s", [lost_group]) if {
	container.engine != "postgres"
	not adapts(container)
	not pod_now.fsGroup
	not in_old_group(container)
}

lost_group := sprintf(" (it was %d)", [pod_before.fsGroup]) if {
	pod_before.fsGroup
} else := ""

group_kept := sprintf(" and fsGroup: %d", [pod_before.fsGroup]) if {
	pod_before.fsGroup
	not pod_now.fsGroup
} else := ""

# The kubelet gave the files to this group once.
in_old_group(container) if {
	some group in array.concat(
		object.get(pod_now, "supplementalGroups", []),
		[object.get(object.get(container, "security", {}), "runAsGroup", object.get(pod_now, "runAsGroup", -1))],
	)
	group == pod_before.fsGroup
}

changes_owners if {
	some container in input.workload.containers
	some text in array.concat(container.command, container.args)
	regex.match(`chown|chmod|setfacl`, text)
}

changes_owners if {
	some container in input.workload.containers
	container.role == "init"
	regex.match(`permission|chown`, container.name)
}

# Servers of shared file systems map users as they like.
own_to_one_pod(mount) if {
	mount.source in {"volumeClaimTemplate", "persistentVolumeClaim", "hostPath"}
	not shared(mount)
}

shared(mount) if {
	some volume in input.workload.volumes
	volume.name == mount.volume
	some claim in input.workload.claims
	claim.name == volume.claim
	"ReadWriteMany" in claim.access_modes
}

way(now, mount) := sprintf(
	"back the data up, stop the pods, and let an init container with this mount and securityContext {runAsUser: 0, runAsNonRoot: false} run chown -R %d %s once",
	[now, mount.mount_path],
)
