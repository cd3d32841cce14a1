# Whether the replicas of a data store are members of one store, and what joins them, as far as the manifest shows.
package stategate.lib.members

import data.stategate.lib.globs
import data.stategate.lib.paths
import data.stategate.lib.publishers
import data.stategate.lib.versions

# Nothing in sight joins the replicas, and nothing out of sight may do so: each is a store of its own.
separate if {
	evidence[input.workload.engine.name]
	count(own) > 0
	every container in own {
		alone(container)
	}
	not unseen
}

# Engines whose replicas are nothing but stores of their own, until one of these settings joins them. Globs in lower
# case: of names of environment variables, and of words of the command line.
evidence := {
	"postgres": {
		"env": ["*replication_mode", "repmgr_*", "patroni_*", "pgha_*"],
		"words": ["*primary_conninfo*", "*config_file*"],
	},
	"mysql": {
		"env": ["*replication*", "*galera*", "*wsrep*", "cluster_*", "*master_host", "*primary_host", "mysql_group*"],
		"words": ["*wsrep*", "*server?id*", "*log?bin*", "*gtid*", "*group?replication*", "*defaults*file*", "*plugin?load*"],
	},
	"mongodb": {
		"env": ["*replica*", "*replset*", "*sharding*", "*config*"],
		"words": ["--replset*", "-replset*", "--config*", "-f", "--configsvr", "--shardsvr"],
	},
	"redis": {
		"env": ["*replica*", "*cluster*", "*nodes*", "*master_host*", "*primary_host*", "*sentinel*"],
		"words": ["--cluster-enabled*", "--replicaof*", "--slaveof*", "*.conf", "--include*", "--sentinel", "--active-replica*"],
	},
	"kafka": {
		"env": ["*quorum_voters", "*quorum_bootstrap_servers", "*zookeeper_connect", "*process_roles"],
		"words": ["*.properties"],
	},
	"zookeeper": {"env": ["zoo_servers", "zookeeper_servers"], "words": ["*.cfg", "*.properties"]},
	"etcd": {
		"env": ["etcd_initial_cluster", "etcd_discovery*", "etcd_config_file", "*cluster_domain"],
		"words": ["--initial-cluster*", "--discovery*", "--config-file*"],
	},
	"elasticsearch": {
		"env": ["*discovery*", "*seed*", "*master_nodes", "*cluster_hosts", "*node?roles", "es_path_conf"],
		"words": ["*discovery*", "*initial_master_nodes*", "*node.roles*"],
	},
	"rabbitmq": {
		"env": ["*cluster*", "*erlang_cookie", "*config*", "*erl_args", "*enabled_plugins*"],
		"words": ["*cluster*"],
	},
	"cassandra": {"env": ["*seed*", "*cluster_hosts", "*config*"], "words": ["*seed*"]},
	"scylla": {"env": ["*seed*"], "words": ["--seeds*", "--options-file*"]},
	"cockroach": {"env": ["cockroach_join"], "words": ["--join*", "-j", "start"]},
	"clickhouse": {"env": ["*keeper*", "*shard*", "*replica*", "*config*"], "words": ["*config*", "-c*"]},
	"nats": {
		"env": ["*config*", "*cluster*", "*route*"],
		"words": ["--routes*", "-routes*", "--cluster", "-cluster", "--cluster=*", "-c", "--config*", "-config*"],
	},
	"minio": {
		"env": ["*distributed*", "minio_volumes", "minio_endpoints", "minio_args", "minio_config_env_file"],
		"words": ["*://*"],
	},
	"consul": {"env": ["consul_local_config", "*join*"], "words": ["-*join*", "-config-*", "--config-*"]},
	"vault": {"env": ["vault_local_config", "vault_raft*", "vault_ha*", "vault_config*"], "words": ["-config*"]},
	"redpanda": {"env": ["*seed*"], "words": ["--seeds*", "-s", "--config*"]},
	"influxdb": {"env": ["*cluster*", "*meta*", "*object_store*"], "words": ["--object-store*", "--config*", "-config*"]},
	"neo4j": {"env": ["*cluster*", "*clustering*", "*discovery*", "neo4j_dbms_mode", "neo4j_conf", "*initial*"], "words": ["*cluster*"]},
	"qdrant": {"env": ["qdrant__cluster__*"], "words": ["--uri*", "--bootstrap*", "--config-path*"]},
	"meilisearch": {"env": ["meili_experimental*", "meili_config*"], "words": ["--experimental*", "--config*"]},
	"typesense": {"env": ["typesense_nodes", "typesense_config", "*peering*"], "words": ["--nodes*", "--peering*", "--config*"]},
	"weaviate": {"env": ["*join*", "raft_*"], "words": ["--config*"]},
	"arangodb": {"env": ["*cluster*", "*agency*"], "words": ["--cluster*", "--agency*", "--replication*", "-c", "--conf*"]},
	"rethinkdb": {"env": [], "words": ["--join*", "-j", "--config-file*"]},
	"dgraph": {"env": ["dgraph_*"], "words": ["--zero*", "-z", "--peer*", "--config*"]},
}

# Settings that say: this one runs alone, whatever else is set.
solitary := {
	"elasticsearch": {"env": {"discovery.type": "single-node"}, "words": ["-ediscovery.type=single-node"]},
	"cockroach": {"env": {}, "words": ["start-single-node"]},
	"consul": {"env": {}, "words": ["-dev", "--dev"]},
	"vault": {"env": {}, "words": ["-dev", "--dev"]},
}

# Something in sight joins the replicas: one replica is a member already. What a configuration file says is out of sight.
joined if {
	some container in own
	some variable in variables(container)
	joins_by(variable, container)
	name := variable.name
	value := object.get(variable, "value", ",")
	carries(name, value)
	not names_one(name, value)
}

joined if {
	some container in own
	all := words(container)
	some i, word in all
	not regex.match(`(?i)conf|\.(ya?ml|cfg|properties|ini|toml)$|^-[cf]$`, word)
	joins(container.engine, word)
	value := said(word, array.slice(all, i + 1, i + 2))
	carries(split(word, "=")[0], value)
	not names_one(word, value)
}

# The setting names members, or the set that they are: roles, plugins, cookies and switches join nobody by themselves.
carries(name, _) if regex.match(carrying, name)

carries(_, value) if regex.match(`retry_join|cluster_nodes`, value)

carrying := concat("", [
	`(?i)seed|hosts?$|nodes|voters|servers|routes|join|members|endpoints|^-[jsz]$|initial.?cluster$|cluster_formation`,
	`|volumes$|://|cluster.?address|conninfo|replicaof|slaveof|sentinel|cluster.enabled|repl.?(ica.?)?set|zookeeper_connect`,
	`|agency|zero$|peer$|bootstrap$|etcd_discovery|^--discovery`,
])

# One replica of a store that votes, which nothing in sight joins to others: it is no member of anything that is known.
by_itself if {
	votes
	single
}

single if {
	input.workload.replicas == 1
	input.workload.engine.name != "vault" # which votes only if it shows that it does
	not joined
}

# One replica of such a store, which nothing out of sight joins either.
surely_by_itself if {
	input.workload.engine.votes
	single
	not unseen
	not specialised
}

# A node with one role has others beside it.
specialised if {
	some container in own
	some variable in variables(container)
	regex.match(`(?i)(node[._]|process_)roles$`, variable.name)
	value := object.get(variable, "value", "master")
	not contains(value, ",")
}

# Its value follows the name in the same word, or is the next one.
said(word, after) := substring(word, indexof(word, "=") + 1, -1) if {
	contains(word, "=")
} else := concat("", after)

# A list with one name in it, which may be its own.
names_one(name, value) if {
	regex.match(`(?i)initial.cluster|voters|bootstrap_servers|seed|master_nodes|_hosts|servers|nodes|routes|join`, name)
	not regex.match(`[,;\s]`, trim_space(value))
}

# server.1=0.0.0.0:2888:3888;2181
names_one(name, value) if {
	regex.match(`(?i)^zoo(keeper)?_servers$`, name)
	count(regex.find_n(`server\.[0-9]+=`, value, 2)) == 1
}

own contains container if {
	some container in input.workload.containers
	container.role != "init"
	container.engine == input.workload.engine.name
}

alone(container) if solitary_variable(container)

alone(container) if solitary_word(container)

alone(container) if {
	not joining_variable(container)
	not joining_word(container)
}

solitary_variable(container) if {
	some variable in variables(container)
	solitary[container.engine].env[variable.name] == variable.value
}

solitary_word(container) if {
	some word in words(container)
	globs.matches_any(solitary[container.engine].words, lower(word))
}

joining_variable(container) if {
	some variable in variables(container)
	joins_by(variable, container)
}

joins_by(variable, container) if {
	engine := container.engine
	name := variable.name
	globs.matches_any(evidence[engine].env, lower(name))
	not says_nothing(variable, engine)
	not unread(container, name)
}

# The image does not know it, and nothing else uses it.
unread(container, name) if {
	publishers.passes_over(container.image, name)
	used := sprintf("$(%s)", [name])
	text := said_by[container.name]
	not contains(text, used)
}

# All that a container is told, as one text.
said_by := {name: text |
	some name in {container.name | some container in own}
	container := [one | some one in own; one.name == name][0]
	values := [object.get(variable, "value", "") | some variable in variables(container)]
	text := concat("\n", array.concat(words(container), values))
}

# The own machine is no other member; neither is a switch that is off, nor a local drive, nor a store in files.
says_nothing(variable, _) if lower(variable.value) in {"", "no", "false", "0", "single-node", "standalone"}

says_nothing(variable, _) if {
	regex.match(`localhost|127\.0\.0\.1`, variable.value)
	not contains(variable.value, ",")
}

# A broker that is no controller has its controllers elsewhere.
says_nothing(variable, "kafka") if {
	endswith(lower(variable.name), "process_roles")
	contains(variable.value, "controller")
}

says_nothing(variable, "minio") if {
	startswith(variable.value, "/")
	not contains(variable.value, "://")
}

says_nothing(variable, "vault") if {
	variable.name == "VAULT_LOCAL_CONFIG"
	regex.match(`"?(file|inmem)"?`, variable.value)
	not regex.match(`raft|consul|postgresql|mysql|dynamodb|gcs|s3|azure|etcd|spanner|zookeeper|cassandra`, variable.value)
}

joining_word(container) if {
	some i, word in words(container)
	joins(container.engine, word)
	not names_what_is_in_sight(container, word)
	not announces_what_is_in_sight(container, i, word)
}

# --config /etc/mongod.conf
announces_what_is_in_sight(container, i, word) if {
	word in {"-c", "-f", "-config", "--config"}
	names_what_is_in_sight(container, words(container)[i + 1])
}

joins(engine, word) if {
	globs.matches_any(evidence[engine].words, lower(word))
	not regex.match(`localhost|127\.0\.0\.1`, word)
}

# Nobody writes more of them by hand.
words(container) := array.slice(array.concat(container.command, container.args), 0, most)

variables(container) := array.slice(container.env, 0, most)

most := 300

# Of a file of a ConfigMap, what would join the replicas; a file that is known is in sight.
joining_lines := {
	"elasticsearch": `seed_hosts|initial_master_nodes|seed_providers`,
	"mongodb": `(?i)replSet|sharding|__exec|__rest`,
	"nats": `(?i)cluster|routes|gateway|leafnodes|include`,
	"redis": `(?im)^\s*(replicaof|slaveof|include|loadmodule)\s|cluster-enabled\s+yes|sentinel|active-replica`,
	"vault": `(?i)raft|ha_storage|storage["\s:{]+"?(consul|postgresql|mysql|dynamodb|gcs|s3|azure|etcd|spanner|zookeeper|cassandra)`,
}

# Without these, another file or a variable may say more.
needed_lines := {
	"elasticsearch": `(?m)discovery\.type["']?\s*:\s*["']?single-node`,
	"vault": `storage["\s:{=]+"?(file|inmem)\b`,
}

# The ConfigMap that is mounted there is known, and joins nothing.
in_sight(container, mount) if {
	mount.source == "configMap"
	joining := joining_lines[container.engine]
	texts := [file.text |
		some file in object.get(container, "files", [])
		paths.within(file.path, mount.mount_path)
	]
	count(texts) > 0
	every text in texts {
		not regex.match(joining, text)
	}
	needed := object.get(needed_lines, container.engine, `.`)
	some text in texts
	regex.match(needed, text)
}

# The word names such a file, or the directory with it.
names_what_is_in_sight(container, word) if {
	parts := split(word, "=")
	path := parts[count(parts) - 1]
	startswith(path, "/")
	some mount in container.mounts
	in_sight(container, mount)
	paths.within(path, mount.mount_path)
	some file in container.files
	paths.within(file.path, path)
}

# What may join the replicas without being in sight.
unseen if input.workload.owner

unseen if input.workload.annotations["stategate.io/replication"]

unseen if {
	some container in own
	may_hide(container)
}

unseen if {
	some container in input.workload.containers
	not container in own
	not harmless(container)
}

unseen if {
	some container in input.review.object.spec.template.spec.containers
	container.lifecycle.postStart
}

may_hide(container) if container.env_from

may_hide(container) if count(container.env) > most

may_hide(container) if count(container.command) + count(container.args) > most

# An image of one's own may bring any configuration.
may_hide(container) if not from_its_makers(container)

may_hide(container) if {
	some i, word in words(container)
	i < 2
	regex.match(`(^|/)((ba|da|a)?sh|shell)$|\.(sh|py|pl)$|[ \n;&]`, word)
	not own_start(word)
}

may_hide(container) if {
	program := container.command[0]
	not own_start(program)
	not program in wrappers
	not plain(container.engine, program)
}

may_hide(container) if {
	some mount in container.mounts
	mount.source in {"configMap", "secret", "projected", "emptyDir", "image", "csi"}
	not regex.match(no_settings, mount.mount_path)
	not data_mount(mount)
	not in_sight(container, mount)
}

no_settings := `(?i)tls|ssl|cert|/ca|/pki|keyfile|secret|passw|credential|token|/tmp|/run|/dev/|cache|/logs?$`

data_mount(mount) if mount.volume in data_volumes

data_volumes := {dir.mount.volume | some dir in input.workload.engine.data_dirs}

own_start(word) if endswith(word, "docker-entrypoint.sh")

wrappers := {"tini", "/sbin/tini", "/usr/bin/tini", "dumb-init", "/usr/bin/dumb-init", "gosu", "su-exec"}

plain(engine, program) if {
	parts := split(program, "/")
	parts[count(parts) - 1] in programs[engine]
}

programs := {
	"postgres": {"postgres"},
	"mysql": {"mysqld", "mariadbd"},
	"mongodb": {"mongod"},
	"redis": {"redis-server", "valkey-server", "keydb-server"},
	"etcd": {"etcd"},
	"zookeeper": set(),
	"kafka": set(),
	"elasticsearch": {"elasticsearch", "opensearch"},
	"rabbitmq": {"rabbitmq-server"},
	"cassandra": {"cassandra"},
	"scylla": {"scylla"},
	"cockroach": {"cockroach", "/cockroach"},
	"clickhouse": {"clickhouse-server", "clickhouse"},
	"nats": {"nats-server"},
	"minio": {"minio", "server"},
	"consul": {"consul", "agent"},
	"vault": {"vault", "bao", "server"},
	"redpanda": {"rpk", "redpanda"},
	"influxdb": {"influxd"},
	"neo4j": {"neo4j"},
	"qdrant": {"qdrant"},
	"meilisearch": {"meilisearch"},
	"typesense": {"typesense-server"},
	"weaviate": {"weaviate"},
	"arangodb": {"arangod"},
	"rethinkdb": {"rethinkdb"},
	"dgraph": {"dgraph"},
}

# An image as its makers publish it, in their own registry or a mirror that keeps their path.
from_its_makers(container) if {
	image := container.image
	regex.match(published, image.repository)
	not regex.match(`repmgr|galera|xtradb|sentinel|cluster|operator|-ha$|enterprise`, image.repository)
	tag := object.get(image, "tag", "")
	not regex.match(`-(data|meta|enterprise)`, tag)
}

published := concat("", [
	`(^|/)(library/[a-z0-9]+|bitnami[a-z]*/[a-z-]+|minio/minio|mysql/mysql-server|percona/percona-server[a-z-]*`,
	`|pgvector/pgvector|postgis/postgis|timescale/timescaledb|valkey/valkey|redis/redis-stack[a-z-]*|eqalpha/keydb`,
	`|apache/kafka[a-z-]*|confluentinc/cp-[a-z]+|etcd|elasticsearch/elasticsearch[a-z-]*|opensearchproject/opensearch`,
	`|cockroachdb/cockroach|clickhouse/clickhouse-server|scylladb/scylla|redpandadata/redpanda|hashicorp/consul`,
	`|hashicorp/vault|openbao/openbao|mongodb/mongodb-community-server|qdrant/qdrant|getmeili/meilisearch`,
	`|typesense/typesense|semitechnologies/weaviate|dgraph/dgraph|arangodb/arangodb)$`,
])

# Helpers that only prepare files or watch.
harmless(container) if {
	container.role == "init"
	text := concat(" ", words(container))
	regex.match(`chown|chmod|mkdir|sysctl|lost\+found`, text)
	not regex.match(`conf|clone|backup|replica|repl|join|cluster|curl|wget|://|\.sh\b|\bcp\b`, text)
}

harmless(container) if {
	container.role != "init"
	container.engine == ""
	regex.match(`export|metric|fluent|filebeat|promtail|vector|telegraf|otel|envoy|istio|linkerd`, container.image_name)
}

# Whether the members of this workload vote: what its engine is known for, unless each is a store of its own.
votes if {
	input.workload.engine.votes
	not separate
	not undecided
}

# Vault votes with one kind of storage only, which its configuration names.
undecided if {
	input.workload.engine.name == "vault"
	not raft
}

# With ZooKeeper, the brokers of Kafka do not vote.
undecided if {
	input.workload.engine.name == "kafka"
	some container in own
	some variable in variables(container)
	endswith(lower(variable.name), "zookeeper_connect")
	object.get(variable, "value", "elsewhere") != ""
}

# Its configuration is known, and with files as its storage it would not vote.
raft if {
	some dir in input.workload.engine.data_dirs
	dir.origin == "argument"
}

raft if {
	some container in own
	some variable in variables(container)
	regex.match(`(?i)raft`, concat(" ", [variable.name, object.get(variable, "value", "")]))
}

raft if {
	some container in own
	some word in words(container)
	regex.match(`(?i)raft`, word)
}

# Elasticsearch below 7 refuses to start with the discovery settings of 7.0 and later, and 8 with those of before.
zen if {
	input.workload.engine.name == "elasticsearch"
	contains(versions.software(input.workload), "elastic")
	versions.shows_version(input.workload)
	release := input.workload.engine.release
	versions.below(release, "7")
}

zen if {
	input.workload.engine.name == "elasticsearch"
	not versions.shows_version(input.workload)
	some container in own
	some variable in variables(container)
	startswith(variable.name, "discovery.zen.")
}

of_zen(name, text) := text if {
	name == "elasticsearch"
	zen
}

# What makes several replicas of an engine one store, as a clause.
set_up(name) := text if {
	text := of_zen(name, concat("", [
		"leave discovery.type=single-node out (the nodes then need vm.max_map_count=262144 and, with security on, TLS ",
		"between them), and ", by_zen,
	]))
} else := text if {
	text := how[name]
} else := sprintf("set up the replication of %s, best by an operator", [name])

how := {
	"postgres": "let an operator replicate it (CloudNativePG imports a running database)",
	"mysql": concat("", [
		"let an operator replicate it (Percona's, MariaDB's or Oracle's), load a dump of your own databases ",
		"(--databases …; leave out the database mysql, which would overwrite the operator's users) into its cluster, and ",
		"make your users there",
	]),
	"mongodb": concat("", [
		"start mongod with --replSet (with users, also one --keyFile for all), rs.initiate() the one with the data with its ",
		"name in the headless Service as the host, then rs.add() empty ones (a sync erases them)",
	]),
	"redis": "set up replication with Sentinel, or a Redis Cluster, best by an operator or a chart that does",
	"kafka": concat("", [
		"keep its controllers as they are, add brokers (process.roles=broker) with the cluster ID of the one with the data, ",
		"and reassign the partitions; never lengthen controller.quorum.voters: empty voters outvote the metadata",
	]),
	"zookeeper": concat("", [
		"copy its data directory first, then add one server at a time to ZOO_SERVERS (each with its ZOO_MY_ID): of two, ",
		"neither leads without the one with the data, while two empty ones of three elect each other and erase it",
	]),
	"etcd": concat("", [
		"snapshot it, let it listen to others (--listen-peer-urls=http://0.0.0.0:2380), give it a peer URL that they ",
		"reach (etcdctl member update ID --peer-urls=URL), then for each new one: etcdctl member add NAME --learner ",
		"--peer-urls=URL (before 3.4, ETCDCTL_API=3 and no learners), start it with --initial-cluster-state=existing, ",
		"member promote",
	]),
	"elasticsearch": concat("", [
		"leave discovery.type=single-node out (the nodes then need vm.max_map_count=262144 and, with security on, TLS ",
		"between them) and name the headless Service in discovery.seed_hosts (no cluster.initial_master_nodes once ",
		"there is data)",
	]),
	"rabbitmq": "use its operator with new volumes, and move the queues by shovel: under a new node name a node starts empty",
	"cassandra": "seed only the node with the data, add empty nodes one by one (a seed does not stream), raise replication, repair",
	"scylla": "seed only the node with the data, add empty nodes one by one (a seed does not stream), raise replication, repair",
	"cockroach": concat("", [
		"start all with cockroach start --join, the one with the data first, without cockroach init; then raise num_replicas ",
		"of every zone to 3 (ALTER RANGE default CONFIGURE ZONE …): start-single-node has set it to 1",
	]),
	"clickhouse": "configure Keeper and remote_servers, and use ReplicatedMergeTree tables; or use its operator",
	"nats": concat("", [
		"back up the streams first (nats account backup DIR): a server that joins a cluster deletes those it had alone; ",
		"then give each its --name, and all --cluster, --routes and one --cluster_name, nats account restore DIR, and raise the ",
		"replicas of each stream",
	]),
	"minio": concat("", [
		"make a new deployment of 4 drives or more (server http://NAME-{0...3}.SERVICE/data), and mc replicate into it ",
		"(mc mirror takes only the newest versions, and no users)",
	]),
	"consul": "let the servers find each other with -retry-join; leave -bootstrap, -bootstrap-expect=1 and -dev out",
	"vault": "use storage \"raft\" with retry_join; move the data with vault operator migrate while Vault is stopped",
	"redpanda": concat("", [
		"give all brokers the same --seeds and --rpc-addr=0.0.0.0:33145, and each its own name in ",
		"--advertise-rpc-addr, then raise the replication of each topic",
	]),
	"influxdb": "its open-source versions have no replicas: write to two servers, or use a clustered edition",
	"neo4j": "use its Enterprise Edition, whose chart makes clusters, and load a dump: Community has no replicas",
	"qdrant": "make a new cluster (QDRANT__CLUSTER__ENABLED, --uri of the first, --bootstrap of the others) and restore snapshots there",
	"meilisearch": "run several stores of one index only if whatever fills it writes to each: it has no replicas",
	"typesense": "make a new cluster of 3 (--nodes, --peering-address), and fill it anew or from an export",
	"weaviate": "make a new cluster (CLUSTER_JOIN, RAFT_JOIN; its chart does so), and restore a backup there",
	"arangodb": "make a cluster with its operator (kube-arangodb), and load a dump there with arangorestore",
	"rethinkdb": "start the others empty with --join NAME-0.SERVICE:29015, then reconfigure the tables to 3 replicas",
	"dgraph": "make a new cluster (zeros with --peer, alphas with --zero; its chart does so), and load an export there",
}

# How a store whose members are joined grows. Raising the number of replicas alone can split it, or add empty members.
growth(name) := text if {
	text := of_zen(name, by_zen)
} else := text if {
	text := by_its_image(name)
} else := text if {
	text := grow[name]
} else := "add the members one at a time, as its documentation says"

by_zen := concat("", [
	"name the headless Service in discovery.zen.ping.unicast.hosts and, in the same change, set ",
	"discovery.zen.minimum_master_nodes to more than half of the masters (2 of 3): with less, a cut network makes two ",
	"clusters, and one of them loses what it wrote",
])

# Bitnami's images add their members themselves; those of MongoDB that are told to be the primary found a set.
by_its_image(name) := "run more of its secondaries (MONGODB_REPLICA_SET_MODE=secondary), which join by themselves" if {
	name == "mongodb"
	some container in own
	regex.match(of_bitnami, container.image.repository)
	some variable in variables(container)
	variable.name == "MONGODB_REPLICA_SET_MODE"
	variable.value == "primary"
} else := "raise the replicas (replicaCount of Bitnami's chart): each member joins by itself, without rs.add()" if {
	name == "mongodb"
	some container in own
	regex.match(of_bitnami, container.image.repository)
	some variable in variables(container)
	startswith(variable.name, "MONGODB_REPLICA_SET_")
} else := "raise replicaCount of Bitnami's chart by one at a time (helm upgrade): its image runs etcdctl member add" if {
	name == "etcd"
	some container in own
	regex.match(of_bitnami, container.image.repository)
}

of_bitnami := `(^|/)bitnami[a-z]*/`

grow := {
	"mongodb": "add one replica at a time, and run rs.add() for each on the primary",
	"etcd": concat("", [
		"for each: etcdctl member add NAME --learner --peer-urls=URL (before 3.4, ETCDCTL_API=3 and no learners), start it ",
		"(state existing), member promote ID",
	]),
	"kafka": concat("", [
		"add brokers and reassign the partitions; controllers join a dynamic quorum only (3.9 on: ",
		"kafka-metadata-quorum add-controller), one at a time; never lengthen controller.quorum.voters",
	]),
	"zookeeper": "add one server at a time to ZOO_SERVERS of all of them, and let it follow before the next one",
	"elasticsearch": "let new nodes find the others by discovery.seed_hosts, without cluster.initial_master_nodes",
	"rabbitmq": concat("", [
		"let new nodes join by peer discovery, then add members to quorum queues (rabbitmq-queues grow) and streams ",
		"(rabbitmq-streams add_replica)",
	]),
	"nats": "add the new servers to --routes of all, then raise the replicas of each stream (nats stream edit)",
	"minio": "add a server pool of 4 drives or more to the command of all servers; a pool itself cannot grow",
	"consul": concat("", [
		"set -bootstrap-expect to the number of servers (with 1, or -bootstrap, each new one founds a cluster of its ",
		"own), and let new servers find the others by -retry-join, one at a time",
	]),
	"vault": "let new members join the raft storage by retry_join, one at a time (vault operator raft list-peers)",
	"cockroach": "start new nodes with --join, one at a time",
	"redpanda": "let new brokers join by --seeds, then raise the replication of each topic",
}

# How a member leaves for good, before its pod does.
leaving(name) := text if {
	text := of_zen(name, concat("", [
		"exclude it from allocation (cluster.routing.allocation.exclude._name), wait until _cat/shards shows none on it, ",
		"and keep discovery.zen.minimum_master_nodes above half of the masters that stay",
	]))
} else := text if {
	text := leave[name]
} else := "drain the member with the highest number as its documentation says"

leave := {
	"etcd": "run etcdctl member remove ID for the member with the highest number (etcdctl member list shows the IDs)",
	"mongodb": "run rs.stepDown() on the member with the highest number if it is the primary, then rs.remove() it on the new primary",
	"kafka": "move all partitions off the highest broker (kafka-reassign-partitions); a voter of a static list cannot leave",
	"redpanda": "run rpk redpanda admin brokers decommission ID and wait until it is done",
	"zookeeper": "take the server with the highest number out of the ensemble (reconfig -remove ID, or ZOO_SERVERS)",
	"elasticsearch": concat("", [
		"exclude it from allocation (cluster.routing.allocation.exclude._name) and, as a master, from voting, and wait ",
		"until _cat/shards shows none on it",
	]),
	"rabbitmq": concat("", [
		"drain its classic queues, and give quorum queues and streams that it alone has another member (all of these ",
		"go with the node), run rabbitmq-queues shrink NODE and, for its streams, rabbitmq-streams delete_replica",
	]),
	"cassandra": "run nodetool decommission on the node with the highest number and wait until it has left the ring",
	"scylla": "run nodetool decommission on the node with the highest number and wait until it has left the ring",
	"cockroach": "run cockroach node decommission ID and wait until it holds no replicas",
	"nats": "raise streams with one replica to 3, then move every stream off it (nats stream cluster peer-remove)",
	"consul": "run consul leave on the server with the highest number, and scale at once: its pod would join again",
	"vault": "run vault operator raft remove-peer ID for the member with the highest number",
	"minio": "a server of a pool cannot leave: decommission the whole pool (mc admin decommission start)",
	"redis": "in a Redis Cluster, move its slots away and run redis-cli --cluster del-node; else fail over first",
	"postgres": "fail over from it first if it is the primary",
	"mysql": "fail over from it first if it is the primary, and stop its replication",
	"clickhouse": "see that another replica has all of its shard (SYSTEM SYNC REPLICA there), or copy its tables",
}

# What is left to do once its pod is gone.
afterwards := ", and then clear exclude._name" if {
	zen
	not separate
} else := object.get(after_the_pod, object.get(input.workload, ["engine", "name"], ""), "") if {
	not separate
} else := ""

after_the_pod := {
	"rabbitmq": ", and then rabbitmqctl forget_cluster_node NODE on another one",
	"clickhouse": ", and then SYSTEM DROP REPLICA on another one",
	"nats": ", and then nats server cluster peer-remove NAME",
	"postgres": ", and then pg_drop_replication_slot() on the primary (else its WAL fills the disk)",
	"elasticsearch": ", and then clear exclude._name and DELETE _cluster/voting_config_exclusions",
}
