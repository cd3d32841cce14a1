# What the commands and ports that probes ask really test.
#
# | Check | Succeeds while | Says of other members |
# |---|---|---|
# | open port (tcpSocket) | the process exists, also while it pauses; PostgreSQL, Redis, etcd and Elasticsearch listen before they have recovered | nothing |
# | pgrep, pidof | the process exists | nothing |
# | pg_isready | connections are accepted; refused during recovery | nothing |
# | mysqladmin ping | the server listens, which it does after recovery | nothing |
# | mongosh ping | the server listens, which it does after recovery | nothing |
# | redis-cli ping | anything answers, -LOADING included; with -e only if the answer is no error | nothing |
# | rabbitmq-diagnostics ping | the runtime answers | nothing |
# | rabbitmq-diagnostics check_running | the broker has started, for which a restarted member waits for its peers | that they are there |
# | etcdctl endpoint health | a read goes through the quorum | that a majority is there |
# | nodetool status | the node's own JMX answers, whatever it prints | nothing, unless a command compares what it prints |
# | _cluster/health | a master is elected, unless local=true | that a majority of masters is there |
# | wsrep_ready, wsrep_cluster_status | the member belongs to the primary component; only if compared | that a majority is there |
# | wsrep_local_state | the member is synced: not while it gives or takes a state transfer; only if compared | nothing |
package stategate.lib.health_checks

# Whether a probe succeeds while the data store still recovers, so that it cannot kill it then.
answers_while_recovering(engine, probe) if {
	probe.kind == "tcpSocket"
	engine in {"postgres", "redis", "etcd", "elasticsearch"}
}

answers_while_recovering(_, probe) if looks_for_the_process(probe)

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

# Whether a command shows what it asks. A script in the image or in a ConfigMap does not, and neither does one that
# weighs exit codes.
shown(probe) if probe.kind != "exec"

shown(probe) if {
	probe.kind == "exec"
	programs_in(probe) & asking != set()
	text := concat(" ", probe.command)
	not contains(text, "$?")
}

# Programs that ask a data store.
asking := {
	"pg_isready", "psql", "mysqladmin", "mariadb-admin", "mysql", "mariadb", "mongosh", "mongo", "redis-cli",
	"valkey-cli", "keydb-cli", "etcdctl", "cqlsh", "clickhouse-client", "curl", "wget", "nc", "ncat", "pgrep", "pidof",
}

# A script may have a hundred thousand words, and most have none of these.
programs_in(probe) := {word | some word in regex.find_n(`[A-Za-z0-9_.-]+`, text, -1)} if {
	text := concat(" ", probe.command)
	regex.match(`pg_isready|psql|mysql|mariadb|mongo|-cli|etcdctl|cqlsh|clickhouse-client|curl|wget|nc|pgrep|pidof`, text)
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

# Whether liveness runs the same check as readiness, with less than `slack` times its patience. An open port may be
# asked by both.
copies_readiness(container, slack) if {
	same_question(container.liveness, container.readiness)
	container.liveness.budget_seconds < container.readiness.budget_seconds * slack
}

same_question(a, b) if {
	not passes_through_pauses(a)
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
	text := replace(replace(lower(concat(" ", probe.command)), "\"", ""), "'", "")
	not its_own_state(text)
	matches := [check | some check in checks; says(text, check); decides(text, check)]
	first := matches[0]
}

# These only print what the node knows, and succeed: it takes a comparison to make a fault of it.
printing := {
	"cluster info", "cluster nodes", "nodetool status", "echo srvr", "echo mntr", "wsrep_", "pg_stat_replication",
}

decides(_, check) if not check in printing

decides(text, check) if {
	check in printing
	check != "nodetool status"
	regex.match(`grep|awk|sed |\[ |\[\[|test |==|=~|-eq |case |throw|exit `, text)
}

# What the node says of itself (UN and its own address) is no state of others.
decides(text, "nodetool status") if regex.match(`grep.*([^a-z]dn[^a-z]|\^d)|grep -[a-z]*c|wc -l`, text)

# What a state of the cluster does to the members that ask for it.
consequences := {
	"_cluster/health": "without an elected master, every node is restarted, which elects none",
	"/_cluster/health": "without an elected master, every node is restarted, which elects none",
	"endpoint health": "without a quorum, every member is restarted, which brings none back",
	"/health": "without a quorum, every member is restarted, which brings none back",
	"echo srvr": "without a quorum, every member is restarted, which brings none back",
	"echo mntr": "without a quorum, every member is restarted, which brings none back",
	"v1/status/leader": "without a leader, every server is restarted, which elects none",
	"/v1/status/leader": "without a leader, every server is restarted, which elects none",
	"wsrep_": "members that have lost the majority, or exchange state, are restarted in the middle of it",
	"check_running": "a member that waits for its peers is restarted, so that they never meet",
	"rs.status": "a member that is not in its replica set yet is restarted before it can join",
}

# Whether the check depends on other members: probe-liveness-no-dependency says so, and its fix replaces the check.
depends_on_others(probe) if asks_cluster(probe, [check | some check, _ in consequences])

depends_on_others(probe) if {
	path := probe.http_path
	consequences[split(path, "?")[0]]
	not its_own_state(path)
	not contains(path, "serializable=true")
}

# `nodetool statusgossip` queries the node itself, unlike `nodetool status`.
says(text, check) if {
	contains(text, check)
	not letters_follow(text, check)
}

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
