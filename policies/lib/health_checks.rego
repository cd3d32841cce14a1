# What the commands and ports that probes ask really test.
#
# - An open port (tcpSocket): that the process exists, also while it pauses. PostgreSQL, Redis, etcd and Elasticsearch
#   listen before they have recovered; MySQL, MongoDB and Cassandra after. A new node of Cassandra or ScyllaDB listens
#   to others (7000) before it has their data, and to clients (9042) after; a member of Galera (3306) after, too.
# - pgrep, pidof: that the process exists.
# - pg_isready: that connections are accepted; during recovery they are rejected, and it exits with 1.
# - mysqladmin ping, mongosh ping: that the server listens, which it does after recovery; a wrong password is no fault.
# - redis-cli ping: that anything answers, -LOADING included; with -e, that the answer is no error.
# - ruok of ZooKeeper: that the server runs, whether it belongs to the quorum or not.
# - rabbitmq-diagnostics ping: that the runtime answers. check_running: that the broker has started, for which a member
#   that restarts waits for its peers.
# - etcdctl endpoint health, /health of etcd: that a read goes through the quorum. Not with serializable=true.
# - nodetool status: that the node's own JMX answers; compared with UN, that the node has joined.
# - _cluster/health of Elasticsearch: that a master is elected. Not with local=true.
# - Patroni: /liveness, that its own loop runs; /health, that PostgreSQL runs; /readiness, that it also replicates;
#   /primary, /replica and the like, that it has this role.
# - wsrep_ready, wsrep_cluster_status: that the member belongs to the majority. wsrep_local_state: that it is synced,
#   which it is not while it gives or takes a state transfer. Only if the command compares what it prints.
package stategate.lib.health_checks

import data.stategate.lib.hosts
import data.stategate.lib.versions

# The port to ask: one for clients, if it is declared, or else the first.
port(container) := 9300 if {
	only_between_nodes(container)
} else := min(for_clients) if {
	for_clients := {one | some one in tcp_ports(container); one in client_ports[container.engine]}
	count(for_clients) > 0
} else := ports[0] if {
	ports := tcp_ports(container)
}

# Elasticsearch before 7, told not to serve HTTP.
only_between_nodes(container) if {
	container.engine == "elasticsearch"
	some variable in container.env
	variable.name in {"http.enabled", "HTTP_ENABLE"}
	lower(variable.value) == "false"
}

tcp_ports(container) := [one.port | some one in container.ports; object.get(one, "protocol", "TCP") == "TCP"]

client_ports := {
	"cassandra": {9042},
	"clickhouse": {8123, 9000},
	"consul": {8500},
	"couchbase": {8091},
	"elasticsearch": {9200},
	"etcd": {2379},
	"influxdb": {8086, 8181},
	"kafka": {9092},
	"loki": {3100},
	"minio": {9000},
	"mongodb": {27017},
	"mysql": {3306},
	"nats": {4222},
	"neo4j": {7687},
	"prometheus": {9090},
	"qdrant": {6333},
	"scylla": {9042},
	"tempo": {3200},
	"victoria-metrics": {8428, 8482, 9428},
	"zookeeper": {2181},
}

# What to ask where no port is declared. Not every image has a command that asks the store, or even a shell; etcd and
# Consul listen on localhost only, unless told otherwise.
unported(engine) := "an exec of its own ping command" if {
	engine in {"postgres", "mysql", "mongodb", "redis", "rabbitmq", "etcd", "consul", "vault", "clickhouse"}
} else := sprintf("tcpSocket on its client port (%d by default)", [number]) if {
	ports := client_ports[engine]
	count(ports) == 1
	some number in ports
} else := "tcpSocket on its client port"

# Before 3.8, RabbitMQ's image may lack the command that asks the node.
old_rabbitmq(container) if {
	container.engine == "rabbitmq"
	container.name == input.workload.engine.container
	versions.shows_version(input.workload)
	release := input.workload.engine.release
	versions.below(release, "3.8")
}

# Stores that tell over HTTP whether they are ready: on this port, which what is in brackets turns on or changes.
ready(container) := sprintf("{httpGet: {path: %s, port: %d}}%s", [path, number, hint]) if {
	[path, number, setting] := paths[web_server(container)]
	declared := tcp_ports(container)
	hint := hint_of(declared, number, setting)
}

hint_of(declared, number, _) := "" if number in declared

hint_of([], _, setting) := setting

web_server(container) := part if {
	container.engine == "victoria-metrics"
	some part in ["victoria-logs", "vmstorage"]
	endswith(container.image.repository, part)
} else := "nats cluster" if {
	container.engine == "nats"
	input.workload.replicas > 1
} else := container.engine

paths := {
	"loki": ["/ready", 3100, " (its http_listen_port)"],
	"nats": ["/healthz", 8222, " (on with -m 8222)"],
	# One pod after the other, the first one has no leader yet.
	"nats cluster": ["/healthz?js-enabled-only=true", 8222, " (on with -m 8222)"],
	# The port is open while the log is replayed.
	"prometheus": ["/-/ready", 9090, " (below its --web.route-prefix)"],
	"qdrant": ["/readyz", 6333, ""],
	"tempo": ["/ready", 3200, " (its http_listen_port)"],
	"victoria-logs": ["/health", 9428, " (its -httpListenAddr)"],
	"victoria-metrics": ["/health", 8428, " (its -httpListenAddr)"],
	"vmstorage": ["/health", 8482, " (its -httpListenAddr)"],
}

# The port that a node of Cassandra or ScyllaDB opens to others before it joins.
port_between_nodes(container) := 7001 if {
	ports := tcp_ports(container)
	7001 in ports
	not 7000 in ports
	own_port_for_tls(container)
} else := 7000

# From 4 on, Cassandra takes both kinds at 7000.
own_port_for_tls(container) if container.engine == "scylla"

own_port_for_tls(_) if input.workload.engine.major < 4

# Whether the probe fails for as long as a new member copies the data of the others, however much that is.
waits_for_others(container, probe) if {
	container.engine in {"cassandra", "scylla"}
	input.workload.replicas > 1
	asks_for_clients(container, probe)
}

waits_for_others(container, probe) if {
	input.workload.replicas > 1
	galera(container)
	asks_for_clients(container, probe)
}

asks_for_clients(container, probe) if {
	probe.kind == "tcpSocket"
	some number in client_ports[container.engine]
	number == probe.port
}

asks_for_clients(_, probe) if {
	probe.kind == "exec"
	programs_in(probe) & {"cqlsh", "mysqladmin", "mariadb-admin", "mysql", "mariadb"} != set()
}

# Whether a container runs a member of a Galera cluster.
galera(container) if {
	container.engine == "mysql"
	some variable in container.env
	regex.match(`(?i)galera|wsrep`, variable.name)
}

galera(container) if {
	container.engine == "mysql"
	some word in array.concat(container.command, container.args)
	contains(lower(word), "wsrep")
}

galera(container) if {
	container.engine == "mysql"
	regex.match(`galera|xtradb-cluster`, container.image.repository)
}

# Whether a probe succeeds while the data store still recovers, so that it cannot kill it then.
answers_while_recovering(engine, probe) if {
	probe.kind == "tcpSocket"
	engine in {"postgres", "redis", "etcd", "elasticsearch"}
}

# In KRaft's combined mode, the controller listens before the broker recovers its log.
answers_while_recovering("kafka", probe) if {
	probe.kind == "tcpSocket"
	some container in input.workload.containers
	some one in container.ports
	one.name == "controller"
	one.port == probe.port
}

answers_while_recovering(_, probe) if looks_for_the_process(probe)

answers_while_recovering("prometheus", probe) if probe.kind == "tcpSocket"

answers_while_recovering("prometheus", probe) if endswith(probe.http_path, "/-/healthy")

answers_while_recovering("prometheus", probe) if {
	some word in probe.command
	contains(word, "healthy")
}

# Patroni answers there as long as its own loop runs, also while PostgreSQL recovers or is copied anew.
answers_while_recovering("postgres", probe) if split(probe.http_path, "?")[0] in {"/liveness", "/patroni"}

answers_while_recovering("postgres", probe) if {
	programs_in(probe) & {"curl", "wget"} != set()
	regex.match(`:[0-9]+/(liveness|patroni)\b`, concat(" ", probe.command))
}

# From 3 on it keeps its data in an object store.
answers_while_recovering("influxdb", _) if input.workload.engine.major > 2

# Redis listens while it loads its data, and answers -LOADING: an error, which the client only prints.
answers_while_recovering("redis", probe) if {
	programs_in(probe) & {"redis-cli", "valkey-cli", "keydb-cli"} != set()
	not reports_errors(probe)
	not accepts_pong_alone(probe)
}

# Whether a pause of the process, such as a long checkpoint, does not fail the probe: the kernel completes the handshake.
passes_through_pauses(probe) if probe.kind == "tcpSocket"

passes_through_pauses(probe) if looks_for_the_process(probe)

looks_for_the_process(probe) if programs_in(probe) & {"pgrep", "pidof"} != set()

# It does not ask the process at all.
looks_for_the_process(probe) if {
	probe.kind == "exec"
	parts := split(probe.command[0], "/")
	parts[count(parts) - 1] in {"echo", "ls", "true"}
}

# Whether a command shows what it asks. A script in the image or in a ConfigMap does not, and neither does one that
# weighs exit codes.
shown(probe) if probe.kind != "exec"

shown(probe) if {
	probe.kind == "exec"
	programs_in(probe) & asking != set()
	text := concat(" ", probe.command)
	not contains(text, "$?")
}

# While it recovers, a node of Cassandra is in no state that a comparison looks for.
shown(probe) if {
	probe.kind == "exec"
	"nodetool" in programs_in(probe)
	compares(concat(" ", probe.command))
}

# Programs that ask a data store.
asking := {
	"pg_isready", "psql", "mysqladmin", "mariadb-admin", "mysql", "mariadb", "mongosh", "mongo", "redis-cli",
	"valkey-cli", "keydb-cli", "etcdctl", "cqlsh", "clickhouse-client", "curl", "wget", "nc", "ncat", "pgrep", "pidof",
}

# A script may have a hundred thousand words, and most have none of these.
programs_in(probe) := {word | some word in regex.find_n(`[A-Za-z0-9_.-]+`, text, -1)} if {
	text := concat(" ", probe.command)
	regex.match(`pg_isready|psql|mysql|mariadb|mongo|-cli|etcdctl|cqlsh|nodetool|clickhouse|curl|wget|nc|pgrep|pidof`, text)
} else := set()

# With -e, an error as the answer is an error of the command. The shell's own -e stands before the client.
reports_errors(probe) if {
	text := concat(" ", probe.command)
	regex.match(`-cli [^|;&]*(-e|--exit-error)( |$)`, text)
}

accepts_pong_alone(probe) if {
	text := lower(concat(" ", probe.command))
	contains(text, "pong")
	not contains(text, "loading")
}

# Whether liveness runs the same check as readiness, with less than `slack` times its patience. An open port and the
# store's own ping may be asked by both.
copies_readiness(container, slack) if {
	same_question(container.liveness, container.readiness)
	container.liveness.budget_seconds < container.readiness.budget_seconds * slack
}

# Its own ping fails only while nothing answers: at its start, which probe-startup-budget tells of, or when it hangs.
pings(probe) if {
	count(programs_in(probe) & asking) == 1
	regex.match(pinging, concat(" ", probe.command))
	not reports_errors(probe)
	not accepts_pong_alone(probe)
}

pinging := `pg_isready|(mysqladmin|mariadb-admin)\s.*ping|(redis|valkey|keydb)-cli\s.*ping|mongo(sh)?\s.*\bping\b|\bruok\b`

same_question(a, b) if {
	not passes_through_pauses(a)
	not pings(a)
	a.handler == b.handler
}

same_question(a, b) if {
	a.kind == "httpGet"
	b.kind == "httpGet"
	a.port == b.port
	a.http_path == b.http_path
	object.get(a, "host", "") == object.get(b, "host", "")
}

# The first of these texts in a command that makes it depend on other members.
asks_cluster(probe, checks) := first if {
	command := concat(" ", [hosts.uncommented(argument) | some argument in probe.command])
	text := replace(replace(lower(command), "\"", ""), "'", "")
	not its_own_state(text)
	matches := [check |
		some check in checks
		contains(text, check)
		not letters_follow(text, check)
		decides(text, check)
	]
	first := matches[0]
}

# These only print what the node knows, and succeed: it takes a comparison to make a fault of it.
printing := {
	"cluster info", "cluster nodes", "nodetool status", "echo srvr", "echo mntr", "wsrep_", "pg_stat_replication",
}

decides(_, check) if not check in printing

decides(text, check) if {
	check in printing
	compares(text)
}

compares(text) if regex.match(`grep|awk|sed |\[ |\[\[|test |==|=~|-eq |case |throw|exit `, text)

# What a state of the cluster does to the members that ask for it.
consequences := {
	"_cluster/health": "without an elected master, every node is restarted, which elects none",
	"/_cluster/health": "without an elected master, every node is restarted, which elects none",
	"endpoint health": "without a quorum, every member is restarted, which brings none back",
	"etcd/healthcheck.sh": "without a quorum, every member is restarted, which brings none back",
	"/health": "without a quorum, every member is restarted, which brings none back",
	"echo srvr": "without a quorum, every member is restarted, which brings none back",
	"echo mntr": "without a quorum, every member is restarted, which brings none back",
	"v1/status/leader": "without a leader, every server is restarted, which elects none",
	"/v1/status/leader": "without a leader, every server is restarted, which elects none",
	"nodetool status": "a node that still joins, or sees no other, is restarted in the middle of it",
	"wsrep_": "members that have lost the majority, or exchange state, are restarted in the middle of it",
	"check_running": "a member that waits for its peers is restarted while it waits",
	"rs.status": "a member that is not in its replica set yet is restarted before it can join",
}

# Whether the check depends on other members: probe-liveness-no-dependency says so, and its fix replaces the check.
depends_on_others(probe) if asks_cluster(probe, [check | some check, _ in consequences])

depends_on_others(probe) if {
	path := probe.http_path
	consequences[split(path, "?")[0]]
	not of_another_store(path)
	not its_own_state(path)
	not contains(path, "serializable=true")
}

depends_on_others(probe) if asks_whether_ready(probe)

# CockroachDB answers there with an error while it reaches no majority, and while it drains.
asks_whether_ready(probe) if {
	input.workload.engine.name == "cockroach"
	not ignores_the_answer(probe)
	some text in array.concat([object.get(probe, "http_path", "")], object.get(probe, "command", []))
	regex.match(`/health\?(.*&)?ready=(1|true|t)($|[^A-Za-z0-9])`, text)
}

# curl succeeds with any answer, unless it is told to fail.
ignores_the_answer(probe) if {
	"curl" in programs_in(probe)
	text := concat(" ", probe.command)
	not regex.match(`(^|\s)(--fail|-[A-Za-z]*f)`, text)
}

# What a probe runs that its image does not have.
gone(container, probe) := "mongo, which its image no longer has" if {
	runs_mongo(container, probe)
}

gone(container, probe) := "mongosh with --disableImplicitSessions, an option that it does not have" if {
	container.engine == "mongodb"
	regex.match(`mongosh[^|;&]* --disableImplicitSessions`, concat(" ", probe.command))
}

# What it runs instead, as a sentence.
instead(container, probe) := "Take --disableImplicitSessions out" if {
	not runs_mongo(container, probe)
} else := sprintf("Replace mongo by mongosh%s, and set timeoutSeconds: 10: it starts more slowly", [without(probe)])

without(probe) := ", without --disableImplicitSessions" if {
	contains(concat(" ", probe.command), "--disableImplicitSessions")
} else := ""

# From 6.0 on, the images of MongoDB have mongosh only.
runs_mongo(container, probe) if {
	container.name == input.workload.engine.container
	input.workload.engine.name == "mongodb"
	input.workload.engine.major >= 6
	regex.match(`(^|/)(mongo|bitnami[a-z]*/mongodb(-sharded)?)$`, container.image.repository)
	text := concat(" ", probe.command)
	regex.match(`^(((/usr)?/bin/)?(ba)?sh -[a-z]*c )?(exec )?(/usr/bin/|/opt/bitnami/mongodb/bin/)?mongo( |$)`, text)
	not regex.match(`mongosh|\|\||command -v|which `, text)
}

# /health asks the quorum in etcd; Patroni, CockroachDB and many others answer there for themselves.
of_another_store(path) if {
	split(path, "?")[0] == "/health"
	input.workload.engine.name != "etcd"
}

# Whether Patroni runs PostgreSQL in a container.
patroni(container) if {
	some variable in container.env
	regex.match(`^(PATRONI|SPILO)_`, variable.name)
}

patroni(container) if {
	some word in array.concat(container.command, container.args)
	regex.match(`(^|[ /])patroni( |$)`, word)
}

patroni(container) if regex.match(`(^|/)(patroni|spilo-[^/]*)$`, container.image.repository)

# `nodetool statusgossip` queries the node itself, unlike `nodetool status`.
letters_follow(text, check) if {
	regex.match(`[a-z]$`, check)
	parts := split(text, check)
	some_ends := {part | some i, part in parts; i > 0; not regex.match(`^[a-z]`, part)}
	count(some_ends) == 0
}

# Elasticsearch then answers from the node's own state, whatever the cluster's health status.
its_own_state(text) if {
	contains(text, "local=true")
	not contains(text, "wait_for_status")
}
