# METADATA
# title: A data store's cache fits within its memory limit
# description: >-
#   The heap or cache that a data store is given is not all the memory it uses: connections, sorting, threads and the
#   page cache come on top. If the cache alone nearly fills the limit, the kernel kills the store when it gets busy.
#   This policy compares the settings that a container's command, args and variables show with its memory limit: -Xmx,
#   -XX:MaxRAMPercentage, shared_buffers, innodb_buffer_pool_size, maxmemory, wiredTigerCacheSizeGB,
#   max_server_memory_usage and Redpanda's --memory. Settings in configuration files are not visible. A missing limit
#   is reported by resources-requests-required. shared_buffers in huge pages do not count towards the memory limit:
#   raise the ratio there.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
# - ref: https://www.postgresql.org/docs/current/runtime-config-resource.html
# - ref: https://www.elastic.co/docs/reference/elasticsearch/jvm-settings
# - ref: https://www.mongodb.com/docs/manual/administration/production-notes/
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/memory-optimization/
# custom:
#   severity: high
#   action: warn
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]
#     classes: [durable, cache]
#   parameters:
#     max_percent:
#       type: map
#       of: integer
#       default:
#         "-Xmx": 75
#         "-XX:MaxRAMPercentage": 75
#         shared_buffers: 40
#         innodb_buffer_pool_size: 80
#         maxmemory: 90
#         wiredTigerCacheSizeGB: 60
#         max_server_memory_usage: 90
#         "--memory": 95
#       description: The largest share of the memory limit that a setting may take, in percent.
#     max_heap_percent:
#       type: map
#       of: integer
#       default: {elasticsearch: 50, cassandra: 60}
#       description: The same for the heap, by engine, for stores that need as much memory again outside it.
#   fix: Lower the setting, or raise the container's memory limit (and request).
#   why: "connections, sorting, threads and the page cache need memory beyond the configured cache"
package stategate.capacity.resources_engine_memory_ratio

violation contains v if {
	some container in input.workload.containers
	limit := container.limits.memory
	limit > 0
	some setting in container.memory_settings
	allowed := most(container, setting.name)
	percent := round((setting.bytes * 100) / limit)
	percent > allowed
	v := {
		"msg": sprintf(
			"%s %s is %d%% of the memory limit of container %s, above %d%%: what comes on top gets it killed",
			[setting.name, setting.text, percent, container.name, allowed],
		),
		"path": setting.path,
		"fix": sprintf(
			"Lower %s to at most %d%% of the memory limit of container %s, or raise the limit",
			[setting.name, allowed, container.name],
		),
	}
}

most(container, name) := percent if {
	name in {"-Xmx", "-XX:MaxRAMPercentage"}
	percent := input.parameters.max_heap_percent[container.engine]
} else := input.parameters.max_percent[name]
