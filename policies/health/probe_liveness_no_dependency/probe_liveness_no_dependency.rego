# METADATA
# title: Liveness probes check only the process itself
# description: >-
#   A liveness probe restarts the container that fails it. If the probe checks the state of the cluster, or queries
#   another machine, what one member lacks restarts every member at once, and a quorum that was only shaken is lost.
#   This policy checks what the probe shows: a host other than the pod's own (httpGet.host, or a flag or an address in a
#   command; a host that contains a variable passes), a command or an HTTP path that checks the cluster (for etcd also
#   /health without serializable=true, for CockroachDB /health with ready=1), or an HTTP path that only some members
#   answer (Vault answers /v1/sys/health on a standby with an error unless told otherwise: standbyok=true; development
#   mode has no standbys). A command that only prints what the node knows of the cluster, such as nodetool status, and
#   compares nothing with it, succeeds whatever it prints, and passes; so does a test that fails for one answer of an
#   outside service only (!=), and not without one. A readiness probe may check all of that. What a
#   script in the image checks is not visible, except for that of Bitnami's etcd, which runs etcdctl endpoint health.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/probes/
# - ref: https://github.com/kubernetes/kubernetes/pull/110072
# - ref: https://www.rabbitmq.com/docs/monitoring#health-checks
# - ref: https://github.com/kubernetes/kubernetes/issues/97034
#   description: etcdctl endpoint health fails without a quorum.
# - ref: https://cassandra.apache.org/doc/latest/cassandra/managing/tools/nodetool/status.html
# - ref: https://galeracluster.com/library/documentation/monitoring-cluster.html
# - ref: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-cluster-health
# - ref: https://patroni.readthedocs.io/en/latest/rest_api.html
# - ref: https://www.cockroachlabs.com/docs/stable/monitoring-and-alerting#health-ready-1
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps], classes: [durable, cache]}
#   parameters:
#     cluster_commands:
#       type: list
#       of: string
#       default:
#       - _cluster/health
#       - cluster info
#       - cluster nodes
#       - cluster_status
#       - rs.status
#       - wsrep_
#       - pg_stat_replication
#       - nodetool status
#       - endpoint health
#       - etcd/healthcheck.sh
#       - quorum_critical
#       - check_running
#       - echo srvr
#       - echo mntr
#       - v1/status/leader
#       description: Text in a command, in lower case, that shows that it checks the cluster.
#     cluster_paths:
#       type: list
#       of: string
#       default: [/_cluster/health, /v1/status/leader]
#       description: HTTP paths that report the state of the cluster.
#     role_paths:
#       type: list
#       of: string
#       default: [/leader, /primary, /master, /replica, /standby-leader]
#       description: HTTP paths that only members with one role answer.
#   fix: >-
#     Have the livenessProbe check the process itself (its own ping command, or tcpSocket), and the readinessProbe the
#     rest.
#   why: "it restarts processes that are healthy, over a state that a restart does not repair"
package stategate.health.probe_liveness_no_dependency

import data.stategate.lib.health_checks
import data.stategate.lib.hosts

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	probe := container.liveness
	some host in asked(probe)
	v := {
		"msg": sprintf(
			"liveness of container %s asks %s: when that is down, every pod is restarted",
			[container.name, host],
		),
		"path": probe.path,
		"fix": sprintf("Let the livenessProbe of %s ask the pod itself: localhost, or no host at all", [container.name]),
	}
}

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	probe := container.liveness
	check := cluster_check(container, probe)
	v := {
		"msg": sprintf(
			"liveness of container %s asks for the cluster (%s): %s",
			[container.name, check, consequence(check)],
		),
		"path": probe.path,
		"fix": sprintf(
			"Let the livenessProbe of %s ask the process itself, such as %s, and the readinessProbe the rest",
			[container.name, own_question(container, check)],
		),
	}
}

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	probe := container.liveness
	path := role_check(container, probe)
	v := {
		"msg": sprintf(
			"liveness of container %s asks for its role (%s): every member without that role is restarted over and over",
			[container.name, path],
		),
		"path": probe.path,
		"fix": sprintf(
			"Let the livenessProbe of %s ask %s, and the readinessProbe the rest",
			[container.name, roleless(container)],
		),
	}
}

roleless(container) := "/liveness" if {
	health_checks.patroni(container)
} else := "/v1/sys/health?standbyok=true&sealedcode=204&uninitcode=204" if {
	container.engine == "vault"
} else := "the process itself (its own ping command, or tcpSocket)"

lost_peer := "one lost peer restarts every member"

own_question(container, check) := sprintf(
	"tcpSocket on port %d (between nodes: the CQL port opens only once it has joined)",
	[health_checks.port_between_nodes(container)],
) if {
	container.engine in {"cassandra", "scylla"}
} else := "its own ping command (with a startupProbe as long as a state transfer: until its end, nothing answers)" if {
	check == "wsrep_"
} else := "tcpSocket on port 25672 (between nodes)" if {
	health_checks.old_rabbitmq(container)
} else := object.get(own_questions, container.engine, "its own ping command or tcpSocket")

own_questions := {
	"cockroach": "httpGet /health",
	"etcd": "httpGet /livez, or /health?serializable=true before 3.5.11 (before 3.4, tcpSocket)",
	"mongodb": "exec mongosh --eval 'db.adminCommand(\"ping\")' (mongo before 5.0)",
	"rabbitmq": "exec rabbitmq-diagnostics -q ping (before 3.8, tcpSocket)",
	"redis": "exec redis-cli ping",
	"zookeeper": "tcpSocket on its client port",
	"elasticsearch": "tcpSocket on its transport port",
}

asked(probe) := [probe.host] if {
	hosts.foreign(probe.host)
} else := [] if {
	bears_silence(probe.command)
} else := hosts.foreign_in(probe.command)

# It fails for one answer only, such as the place from which a tunnel does not lead out, and not if there is none.
bears_silence(command) if {
	script := command[count(command) - 1]
	contains(script, "!=")
	regex.match(`^\s*\[\[?\s+"\$\((curl|wget)\s[^()|;&]*\)"\s+!=\s+"[^"]+"\s+\]\]?\s*$`, script)
}

cluster_check(_, probe) := health_checks.asks_cluster(probe, input.parameters.cluster_commands)

cluster_check(_, probe) := path if {
	path := probe.http_path
	not health_checks.its_own_state(path)
	split(path, "?")[0] in input.parameters.cluster_paths
}

# etcd reads through the leader there, unless told otherwise.
cluster_check(container, probe) := path if {
	container.engine == "etcd"
	path := probe.http_path
	split(path, "?")[0] == "/health"
	not contains(path, "serializable=true")
}

# A node of CockroachDB that reaches no majority is not ready.
cluster_check(_, probe) := path if {
	path := probe.http_path
	health_checks.asks_whether_ready(probe)
}

cluster_check(_, probe) := "/health?ready=1" if {
	probe.command
	health_checks.asks_whether_ready(probe)
	commands := input.parameters.cluster_commands
	not health_checks.asks_cluster(probe, commands)
}

consequence(check) := text if {
	text := health_checks.consequences[check]
} else := "while it reaches no majority, every node is restarted, and so is a node that drains" if {
	input.workload.engine.name == "cockroach"
} else := lost_peer

role_check(_, probe) := path if {
	path := probe.http_path
	split(path, "?")[0] in input.parameters.role_paths
}

# A standby answers 429 there. A server in development mode is alone, and always unsealed.
role_check(container, probe) := path if {
	container.engine == "vault"
	not input.workload.engine.volatile
	path := probe.http_path
	split(path, "?")[0] == "/v1/sys/health"
	not contains(path, "standbyok")
	not contains(path, "standbycode")
}
