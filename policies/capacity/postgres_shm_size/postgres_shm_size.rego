# METADATA
# title: PostgreSQL has enough shared memory for parallel queries
# description: >-
#   Parallel workers exchange rows through /dev/shm. The container runtime gives every pod 64 MiB of it, whatever its
#   memory limit is. A large parallel query or the build of an index then fails with "could not resize shared memory
#   segment: No space left on device", often for the first time when the data has grown. This policy flags PostgreSQL
#   containers without a volume at /dev/shm whose memory limit is at least min_memory, or whose arguments ask for
#   parallel workers or for a work_mem or maintenance_work_mem of 64MB or more. An emptyDir in memory at /dev/shm is
#   scratch space by design: no data is kept there.
# related_resources:
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#caveats
# - ref: https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-DYNAMIC-SHARED-MEMORY-TYPE
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, Pod]}
#   parameters:
#     min_memory:
#       type: integer
#       default: 8589934592
#       description: The memory limit in bytes from which parallel queries are expected without further signs.
#   fix: >-
#     Mount an emptyDir with medium: Memory and a sizeLimit at /dev/shm. It counts towards the memory limit.
#   why: "parallel queries and index builds fail although the container has memory left"
package stategate.capacity.postgres_shm_size

import data.stategate.lib.engines
import data.stategate.lib.settings

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	engines.of(container) == "postgres"
	not has_a_volume(container)
	given := settings.given(container)
	not elsewhere(given)
	large(container, given)
	v := {
		"msg": sprintf(
			"container %s has 64 MiB of /dev/shm, which parallel queries outgrow: they fail with \"could not resize shared memory segment\"",
			[container.name],
		),
		"path": array.concat(container.path, ["volumeMounts"]),
		"key": container.name,
		"fix": concat(" ", [
			"Mount a volume emptyDir: {medium: Memory, sizeLimit: 1Gi} at /dev/shm;",
			"what is used of it counts towards the memory limit",
		]),
	}
}

has_a_volume(container) if {
	some mount in container.mounts
	trim_right(mount.mount_path, "/") in {"/dev/shm", "/dev"}
}

# In files, or in shared memory of another kind; or there are no parallel workers.
elsewhere(given) if {
	some item in given
	item.name == "dynamic-shared-memory-type"
	item.value in {"mmap", "sysv"}
}

elsewhere(given) if {
	some item in given
	item.name in {"max-parallel-workers", "max-parallel-workers-per-gather", "max-worker-processes"}
	item.value == "0"
}

large(container, _) if container.limits.memory >= input.parameters.min_memory

large(_, given) if {
	some item in given
	item.name in {"max-parallel-workers-per-gather", "max-parallel-workers", "max-parallel-maintenance-workers"}
	regex.match(`^[1-9][0-9]*$`, item.value)
}

large(_, given) if {
	some item in given
	item.name in {"work-mem", "maintenance-work-mem"}
	regex.match(`^([0-9]+GB|(6[4-9]|[7-9][0-9]|[0-9]{3,})MB)$`, item.value)
}
