# METADATA
# title: A list of members names the pods that run
# description: >-
#   Some stores are told their members by a fixed list: etcd by --initial-cluster, ZooKeeper by ZOO_SERVERS, Kafka's
#   controllers by controller.quorum.voters, MinIO by its endpoints. More replicas do not add to it: a pod that is not
#   on the list stops at once or joins nothing, and stays like that until someone reads its log. A member that is on
#   the list but does not run counts for the majority all the same, so that fewer failures, or none, are survived. This
#   policy compares the list with the StatefulSet's own pods (NAME-0 and so on, spec.ordinals included); members with
#   other names are left alone, and so are lists that a script makes or that come from a ConfigMap. An etcd that has
#   started ignores its list, so only one that is to be new is asked for all of them. Consul's servers wait for as many
#   as -bootstrap-expect says before they elect a leader. Members that go are the matter of scale-down-guard.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-network-id
# - ref: https://etcd.io/docs/v3.6/op-guide/runtime-configuration/
# - ref: https://zookeeper.apache.org/doc/current/zookeeperReconfig.html
# - ref: https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/bootstrap
# - ref: https://kafka.apache.org/documentation/#kraft_config
# - ref: https://min.io/docs/minio/linux/operations/install-deploy-manage/expand-minio-deployment.html
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StatefulSet.apps], subresources: ["", scale]}
#   fix: Tell the store of the new members the way it documents, one at a time, before you raise replicas.
#   why: "pods that are on no list never join, and listed members that do not run cost the majority"
package stategate.lifecycle.member_list_matches_replicas

import data.stategate.lib.engines
import data.stategate.lib.settings

violation contains v if {
	some list in lists
	not list.only_minority
	strangers := input.workload.replicas - count(running(list))
	strangers > 0
	first := min({n | some n in after(list); not n in list.numbers})
	v := {
		"msg": sprintf(
			"%s has %s, but %s names %d of them: %s-%d%s will %s",
			[name, own_replicas, list.shown, count(running(list)), name, first, others(strangers), list.harm],
		),
		"path": list.path,
		"key": "not listed",
		"fix": fix_strangers(list, sprintf("%s-%d", [name, first])),
	}
}

violation contains v if {
	some list in lists
	missing := count(list.numbers) - count(running(list))
	missing > 0
	not shrinks
	worth_a_word(list)
	v := {
		"msg": sprintf(
			"%s names %d members, but %s has %s: %s",
			[list.shown, list.members, name, own_replicas, outlook(list, list.members - missing)],
		),
		"path": list.path,
		"key": "not running",
		"fix": fix_missing(list),
	}
}

# Once they have elected a leader, they ignore it.
violation contains v if {
	not input.old_workload
	some container in input.workload.containers
	container.role == "main"
	engines.of(container) == "consul"
	not settings.decides(container)
	given := settings.given(container)
	item := [one | some one in given; one.name == "bootstrap-expect"][0]
	regex.match(`^[0-9]{1,2}$`, item.value)
	expected := to_number(item.value)
	replicas := input.workload.replicas
	replicas > 0
	expected > replicas
	addresses := [one.value | some one in given; one.name in {"retry-join", "join"}]
	count(addresses) > 0
	every address in addresses {
		of_own_pods(address)
	}
	not elsewhere(container, given)
	v := {
		"msg": sprintf(
			"consul waits for %d servers, and replicas of %s is %d: a new cluster never elects a leader",
			[expected, name, replicas],
		),
		"path": item.path,
		"key": "too few servers",
		"fix": sprintf("Set replicas: %d, or -bootstrap-expect=%d, which counts for the first election only", [expected, replicas]),
	}
}

# cs-0.cs, or the Service of its own pods
of_own_pods(address) if {
	host := split(split(address, ":")[0], ".")[0]
	prefix := sprintf("%s-", [name])
	startswith(host, prefix)
	regex.match(`^[0-9]+$`, trim_prefix(host, prefix))
}

of_own_pods(address) if split(split(address, ":")[0], ".")[0] == object.get(input.workload, "service_name", "")

# Other servers may be named in files or in variables from elsewhere.
elsewhere(container, _) if container.env_from

elsewhere(container, _) if {
	some variable in container.env
	variable.name == "CONSUL_LOCAL_CONFIG"
}

elsewhere(_, given) if {
	some one in given
	one.name in {"config-dir", "config-file"}
}

name := input.workload.name

others(strangers) := "" if {
	strangers == 1
} else := sprintf(" and %d more", [strangers - 1])

own_replicas := "1 replica" if {
	input.workload.replicas == 1
} else := sprintf("%d replicas", [input.workload.replicas])

shrinks if input.workload.replicas < input.old_workload.replicas

worth_a_word(list) if {
	not list.only_minority
	not list.ignored_later
}

worth_a_word(list) if {
	not input.old_workload
	list.ignored_later
	starts_new(list.container)
}

worth_a_word(list) if {
	not input.old_workload
	2 * count(running(list)) <= list.members
}

fix_missing(list) := sprintf(
	"If it has not started yet, set replicas: %d, or name only the pods that run in %s; else it ignores the list, and %s",
	[count(list.numbers), list.shown, "etcdctl member list shows its members"],
) if {
	list.ignored_later
} else := sprintf("Set replicas: %d; to have fewer, %s", [count(list.numbers), to_have_fewer(list)])

to_have_fewer(list) := "take servers out of ZOO_SERVERS one at a time, and restart the others after each" if {
	list.engine == "zookeeper"
} else := sprintf("name only the pods that run in %s, before its first start and not later", [list.shown])

outlook(list, left) := "they are no majority, so that a new cluster never starts" if {
	2 * left <= list.members
	list.ignored_later
} else := "they are no majority, so it never starts" if {
	2 * left <= list.members
} else := "in a new cluster those that do not run count for the majority, so that it survives fewer failures" if {
	list.ignored_later
} else := "those that do not run count for the majority, so that it survives fewer failures"

default first_ordinal := 0

first_ordinal := input.review.object.spec.ordinals.start

running(list) := {n | some n in list.numbers; n >= first_ordinal; n < first_ordinal + input.workload.replicas}

# Where the first pod without an entry can be.
after(list) := {first_ordinal} | {next | some n in running(list); next := n + 1}

# The lists in this pod that name at least one of its own kind.
lists contains list if {
	some container in input.workload.containers
	container.role == "main"
	not settings.decides(container)
	some source in sources
	source.engine == engines.of(container)
	applies(source, container)
	[text, path, shown] := written(source, container)
	count(text) <= 10000
	entries := [entry | some entry in split(uniform(expanded(text)), ","); regex.match(`[A-Za-z]`, entry)]
	count(entries) <= 100
	not unclear(entries)
	numbers := {n | some entry in entries; some n in own(entry)}
	count(numbers) > 0
	list := {
		"engine": source.engine,
		"shown": shown,
		"path": path,
		"numbers": numbers,
		"members": count(entries),
		"harm": object.get(source, "harm", ""),
		"only_minority": object.get(source, "only_minority", false),
		"ignored_later": object.get(source, "ignored_later", false),
		"container": container,
	}
}

# One that was made smaller later keeps its list, and this mostly goes.
starts_new(container) if {
	some one in settings.given(container)
	one.name == "initial-cluster-state"
	one.value == "new"
}

starts_new(container) if settings.variable(container, "ETCD_INITIAL_CLUSTER_STATE").value == "new"

written(source, container) := [item.value, item.path, sprintf("--%s", [item.name])] if {
	item := [given | some given in settings.given(container); given.name == source.setting][0]
}

written(source, container) := [item.value, item.path, item.name] if {
	item := settings.variable(container, source.variable)
}

# MinIO's endpoints are plain words.
written(source, container) := [urls[0].text, urls[0].path, "the list of endpoints"] if {
	source.words
	urls := [word | some word in settings.words(container); regex.match(`^https?://.*\{[0-9]+\.\.\.[0-9]+\}`, word.text)]
	count(urls) == 1
}

applies(source, container) if {
	roles := object.get(source, "roles", [])
	every variable in roles {
		contains(object.get(settings.variable(container, variable), "value", "controller"), "controller")
	}
}

uniform(text) := replace(replace(replace(text, ";", ","), "\n", ","), " ", ",")

# http://minio-{0...3}.minio/data stands for four members.
expanded(text) := text if {
	not regex.match(`\{[0-9]+\.\.\.[0-9]+\}`, text)
} else := concat(",", [sprintf("http://%s-%d.x", [name, n]) | some n in between(text)])

between(text) := [n |
	prefix := sprintf("://%s-{", [name])
	contains(text, prefix)
	range := split(split(split(text, prefix)[1], "}")[0], "...")
	low := to_number(range[0])
	high := to_number(range[1])
	some n in hundred
	n >= low
	n <= high
]

hundred := [n | some tens in digits; some ones in digits; n := (10 * tens) + ones]

digits := [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

# What a variable stands for may be this pod.
unclear(entries) if {
	some entry in entries
	contains(entry, "$")
	count(own(entry)) == 0
}

# The numbers of the StatefulSet's own pods in one entry.
own(entry) := {to_number(trim_prefix(word, prefix)) |
	prefix := sprintf("%s-", [name])
	some word in words_of(entry)
	startswith(word, prefix)
	regex.match(`^[0-9]{1,4}$`, trim_prefix(word, prefix))
}

words_of(entry) := split(replace(replace(replace(replace(entry, "=", "/"), ".", "/"), ":", "/"), "@", "/"), "/")

sources := [
	# Once there is data, the members are those of the store.
	{"engine": "etcd", "setting": "initial-cluster", "harm": harms.etcd, "ignored_later": true},
	{"engine": "etcd", "variable": "ETCD_INITIAL_CLUSTER", "harm": harms.etcd, "ignored_later": true},
	{"engine": "zookeeper", "variable": "ZOO_SERVERS", "harm": harms.zookeeper},
	{"engine": "zookeeper", "variable": "ZOOKEEPER_SERVERS", "harm": harms.zookeeper},
	{
		"engine": "kafka",
		"variable": "KAFKA_CONTROLLER_QUORUM_VOTERS",
		"harm": harms.kafka,
		"roles": ["KAFKA_PROCESS_ROLES"],
	},
	{
		"engine": "kafka",
		"variable": "KAFKA_CFG_CONTROLLER_QUORUM_VOTERS",
		"harm": harms.kafka,
		"roles": ["KAFKA_CFG_PROCESS_ROLES"],
	},
	{"engine": "minio", "words": true, "harm": harms.minio},
	{"engine": "minio", "variable": "MINIO_VOLUMES", "harm": harms.minio},
	# It is for the first election only, which takes a majority.
	{"engine": "elasticsearch", "variable": "cluster.initial_master_nodes", "only_minority": true},
]

harms := {
	"etcd": "stop with: couldn't find local name in the initial cluster configuration",
	"zookeeper": "not join the ensemble",
	"kafka": "stop, since a controller has to be one of the voters",
	"minio": "stop, since no endpoint is their own",
}

fix_strangers(list, first) := sprintf(
	"Name every pod in %s before the cluster first starts, or set replicas: %d",
	[list.shown, count(running(list))],
) if {
	not input.old_workload
} else := sprintf(
	"Keep replicas: %d. %s",
	[count(running(list)), replace(growth[list.engine], "{first}", first)],
)

growth := {
	"etcd": concat(" ", [
		"For each new member, one at a time: etcdctl member add {first} --learner --peer-urls=… (before 3.4,",
		"ETCDCTL_API=3 and no learners), name it in the list, set --initial-cluster-state=existing, raise replicas by one, and then etcdctl member promote ID",
	]),
	"zookeeper": "Add one server to the list of all and raise replicas by one; let it follow before you add the next one",
	"kafka": "Run more brokers in a StatefulSet of their own with process.roles=broker: this list is fixed",
	"minio": "To grow, add a server pool: a StatefulSet of its own, whose endpoints follow those of this one for both",
}
