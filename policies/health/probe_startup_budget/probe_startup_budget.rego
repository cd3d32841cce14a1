# METADATA
# title: Probes leave time for crash recovery
# description: >-
#   After a crash, a data store replays its log before it answers. A liveness or startup probe that gives up sooner
#   kills it midway, the replay starts again, and the container never comes up: a short outage becomes one that lasts
#   until someone edits the probe. This policy checks how long a container may stay silent after its start:
#   initialDelaySeconds + failureThreshold × periodSeconds of the startupProbe, or of the livenessProbe where there is
#   no startupProbe. Only data stores named in seconds are checked, and those with neither probe pass. Probes that
#   succeed during recovery cannot kill the container and pass: a command that only looks for the process (pgrep,
#   pidof), a tcpSocket of a store that listens before it has recovered (PostgreSQL, Redis, etcd, Elasticsearch), and
#   redis-cli or valkey-cli: while it loads its data, Redis answers -LOADING, which the client prints and does not count
#   as an error. It does with -e, and a comparison with PONG alone fails as well. /-/healthy of Prometheus answers
#   during the replay, unlike /-/ready; /liveness of Patroni does, unlike /health and /readiness. InfluxDB up to 2 does
#   not listen before all shards are open; the controller's port of Kafka is open before the broker has recovered;
#   InfluxDB 3 is not checked. A new node of Cassandra or ScyllaDB opens its CQL port, and a member of Galera its port
#   for clients, only once it has copied the data of the others: where several members run and the probe asks there,
#   joining counts. What a script asks is not visible, and not flagged.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#define-startup-probes
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://www.postgresql.org/docs/current/app-pg-isready.html
#   description: During startup, pg_isready finds that connections are rejected.
# - ref: https://redis.io/docs/latest/develop/tools/cli/
#   description: What -e changes.
# - ref: https://github.com/prometheus-operator/prometheus-operator/pull/4433
#   description: What /-/healthy and /-/ready of Prometheus say during the replay.
# - ref: https://github.com/influxdata/influxdb/issues/27355
# - ref: https://patroni.readthedocs.io/en/latest/rest_api.html
# - ref: https://github.com/helm/charts/issues/1227
#   description: A node of Cassandra that joins is killed.
# - ref: https://github.com/helm/charts/issues/5762
#   description: A member of Galera that takes a state transfer is killed.
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps]}
#   parameters:
#     seconds:
#       type: map
#       of: integer
#       default:
#         postgres: 300
#         mysql: 300
#         kafka: 300
#         cassandra: 180
#         scylla: 180
#         mongodb: 120
#         elasticsearch: 120
#         clickhouse: 120
#         redis: 120
#         etcd: 120
#         influxdb: 600
#         prometheus: 600
#       description: How many seconds a data store may need before it answers, by engine.
#     joining:
#       type: map
#       of: integer
#       default: {cassandra: 1800, scylla: 1800, mysql: 1800}
#       description: >-
#         How many seconds a new member may need to copy the data of the others, before it answers clients, by engine.
#   fix: Add a startupProbe whose failureThreshold × periodSeconds covers the longest recovery.
#   why: "each kill starts the log replay again, so a short outage lasts until someone edits the probe"
package stategate.health.probe_startup_budget

import data.stategate.lib.engines
import data.stategate.lib.health_checks

violation contains v if {
	some container in input.workload.containers
	engine := engines.of(container)
	probe := killer(container)
	[needed, what, never] := patience(engine, container, probe)
	health_checks.shown(probe)
	not health_checks.gone(container, probe)
	not health_checks.answers_while_recovering(engine, probe)
	granted := probe.initial_delay + probe.budget_seconds
	granted < needed
	v := {
		"msg": sprintf(
			"container %s is killed after %d s of silence, but %s may take %d s: then it never %s",
			[container.name, granted, what, needed, never],
		),
		"path": probe.path,
		"fix": remedy(container, probe, needed),
	}
}

# The liveness probe does not run until the startup probe has succeeded.
killer(container) := container.startup if {
	container.startup
} else := container.liveness

patience(engine, container, probe) := [needed, what, "joins"] if {
	health_checks.waits_for_others(container, probe)
	needed := input.parameters.joining[engine]
	what := sprintf("a new member of %s that copies its data", [engine])
} else := [input.parameters.seconds[engine], sprintf("recovery of %s", [engine]), "finishes"]

remedy(container, probe, needed) := sprintf(
	"Let livenessProbe and startupProbe of %s ask tcpSocket on port %d (between nodes): %s",
	[container.name, health_checks.port_between_nodes(container), "the CQL port opens only once it has joined"],
) if {
	container.engine in {"cassandra", "scylla"}
	health_checks.waits_for_others(container, probe)
} else := text if {
	container.startup
	tries := ceil((needed - probe.initial_delay) / probe.period)
	text := sprintf("Set failureThreshold of the startupProbe to %d or more", [tries])
} else := sprintf(
	"Let the livenessProbe of %s ask /liveness: Patroni answers there while PostgreSQL recovers",
	[container.name],
) if {
	health_checks.patroni(container)
	startswith(container.liveness.http_path, "/health")
} else := sprintf(
	"Add a startupProbe that asks the process itself, with periodSeconds: 10, timeoutSeconds: 5, failureThreshold: %d",
	[ceil(needed / 10)],
) if {
	liveness := container.liveness
	health_checks.depends_on_others(liveness)
} else := sprintf(
	"Add a startupProbe that asks what the livenessProbe asks, with periodSeconds: 10, timeoutSeconds: 5, failureThreshold: %d",
	[ceil(needed / 10)],
)
