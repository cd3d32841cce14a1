# METADATA
# title: Bootstrap and recovery switches are off again
# description: >-
#   Some switches are for one start of one member: they found a cluster although there is one, or skip what protects
#   the data, so that a store that is damaged comes up at all. Left in the pod template, they apply to every pod and
#   every restart. With a founding switch, a pod that comes back does not join but founds a cluster of its own, and
#   the writes of one of them are lost; the others make damage permanent or keep a member from starting. This policy
#   checks arguments and variables of the engines in its table, files of MySQL, PostgreSQL and etcd in ConfigMaps among
#   the manifests, commands of recovery that run at each start, also in init containers, and containers that empty the
#   data directory each time, under whatever path they mount its volume; founding switches count only where several
#   members run. A script that decides for itself is not judged, nor is one that fills the directory again. PostgreSQL
#   without fsync or full_page_writes, which a crash may leave with files that nothing can read, is told as well. At
#   admission it only warns: in an outage, the switch may be just what is needed.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
# - ref: https://galeracluster.com/library/training/tutorials/starting-cluster.html
# - ref: https://dev.mysql.com/doc/refman/8.4/en/group-replication-bootstrap.html
# - ref: https://dev.mysql.com/doc/refman/8.4/en/forcing-innodb-recovery.html
# - ref: https://etcd.io/docs/v3.6/op-guide/recovery/
# - ref: https://developer.hashicorp.com/consul/docs/reference/agent/configuration-file/bootstrap
# - ref: https://www.rabbitmq.com/docs/man/rabbitmqctl.8#force_boot
# - ref: https://www.postgresql.org/docs/current/runtime-config-developer.html
# - ref: https://www.postgresql.org/docs/current/app-pgresetwal.html
# - ref: https://www.postgresql.org/docs/current/runtime-config-wal.html
# - ref: https://www.mongodb.com/docs/manual/reference/program/mongod/
# - ref: https://www.elastic.co/docs/reference/elasticsearch/command-line-tools/node-tool
# - ref: https://zookeeper.apache.org/doc/current/zookeeperAdmin.html
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
# - ref: https://cassandra.apache.org/doc/latest/cassandra/managing/operating/topo_changes.html
# custom:
#   severity: critical
#   action: deny
#   atAdmission: warn
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, Pod]}
#   fix: >-
#     Check that all members are one cluster, save the data of any that is not, and then remove the switch.
#   why: "each restart repeats what was meant for one start of one member"
package stategate.lifecycle.recovery_switch_off

import data.stategate.lib.data_dirs
import data.stategate.lib.engines
import data.stategate.lib.paths
import data.stategate.lib.settings

violation contains v if {
	some container in input.workload.containers
	container.role != "init"
	founding := [found | some found in on(container); found.founds]
	count(founding) > 0
	engine := engines.of(container)
	v := {
		"msg": sprintf(
			"container %s keeps %s on: %s",
			[container.name, named(founding), object.get(splits, engine, founds_anew)],
		),
		"path": founding[0].path,
		"fix": sprintf(
			"%s; save the data of any member that is not in it; then %s%s",
			[object.get(founding[0], "check", checks[engine]), removal(founding), object.get(joins_again, engine, "")],
		),
	}
}

violation contains v if {
	some container in input.workload.containers
	container.role != "init"
	some found in on(container)
	not found.founds
	v := {
		"msg": sprintf("container %s keeps %s%s: %s", [container.name, found.name, object.get(found, "state", " on"), found.harm]),
		"path": found.path,
		"fix": replace(found.fix, "{it}", found.name),
	}
}

violation contains v if {
	some container in input.workload.containers
	input.workload.engine.name == "mysql"
	settings_of_scripts := array.concat(container.command, container.args)
	some text in settings_of_scripts
	regex.match(`safe_to_bootstrap: *1`, text)
	not contains(text, "grep")
	not settings.decides(container)
	several(container)
	v := {
		"msg": sprintf(
			"container %s sets safe_to_bootstrap to 1 at every start: a member that lacks writes may found the cluster anew",
			[container.name],
		),
		"path": container.path,
		"key": sprintf("%s safe_to_bootstrap", [container.name]),
		"fix": sprintf("%s; then remove that line, and set it by hand on the most advanced member alone", [checks.mysql]),
	}
}

# It runs at each start, whatever state the data is in.
violation contains v if {
	some container in input.workload.containers
	some command in commands[input.workload.engine.name]
	not settings.decides(container)
	said := settings.words(container)
	some i, word in said
	regex.match(command.program, word.text)
	applies(command, said, i)
	counts(command, container)
	v := {
		"msg": sprintf("container %s runs %s at every start: %s", [container.name, command.shown, command.harm]),
		"path": word.path,
		"key": sprintf("%s %s", [container.name, command.shown]),
		"fix": command.fix,
	}
}

# No condition comes before it.
violation contains v if {
	some container in input.workload.containers
	container.role in {"init", "main"}
	said := concat(" ", array.concat(container.command, container.args))
	count(said) <= settings.most
	some program, pattern in emptying
	contains(said, program)
	some found in regex.find_all_string_submatch_n(pattern, said, 10)
	before := substring(said, 0, indexof(said, found[0]))
	not regex.match(deciding, sprintf("%s ", [before]))
	not regex.match(set_aside, before)
	not regex.match(filled_again, said)
	some dir in input.workload.engine.data_dirs
	data_dirs.persisted(dir)
	some word in split(found[1], " ")
	emptied := trim_suffix(trim_suffix(trim(word, `"'`), "*"), "/")
	emptied != ""
	some mount in container.mounts
	mount.volume == dir.mount.volume
	paths.within(emptied, mount.mount_path)
	paths.within(on_volume(dir.mount, dir.dir), on_volume(mount, emptied))
	v := {
		"msg": sprintf(
			"%scontainer %s empties %s at every start: whatever restarts the pod deletes the data of %s",
			[roles[container.role], container.name, emptied, dir.container],
		),
		"path": container.path,
		"key": sprintf("%s empties", [container.name]),
		"fix": "Remove that command: the pods that this change starts then keep their files. If it was to clear a failed first start, clear the volume once, by hand",
	}
}

emptying := {
	"rm": `(?:^|[;\n]\s*|\s-[a-z]*c\s+)rm\s+-[a-zA-Z]*[rR][a-zA-Z]*\s+([^;|&\n]*/[^;|&\n]*)`,
	"find": `(?:^|[;\n]\s*|\s-[a-z]*c\s+)find\s+(/[^-;|&\n]*)\s+(?:-mindepth\s+[0-9]+\s+)?-delete`,
}

roles := {"init": "init ", "main": ""}

# A member that is copied from another, or made of a backup, begins with an empty directory.
filled_again := concat("", [
	`(?i)basebackup|backup|restore|clone|rsync|initdb|copy-back|wal-g|pgbackrest|(^|[\s;&|(])(cp|tar|curl|wget|mc|aws|gsutil|rclone)\s`,
])

on_volume(mount, path) := sprintf("/%s", [concat("/", [step | some step in split(whole, "/"); step != ""])]) if {
	whole := sprintf("%s/%s", [object.get(mount, "sub_path", ""), trim_prefix(path, mount.mount_path)])
}

# A log that is whole stays as it is, so that what the script checks before makes no difference.
violation contains v if {
	input.workload.engine.name == "redis"
	some container in input.workload.containers
	said := concat(" ", array.concat(container.command, container.args))
	contains(said, "-check-aof")
	count(said) <= settings.most
	regex.match(cutting, said)
	not regex.match(deciding, regex.replace(said, harmless, " "))
	v := {
		"msg": sprintf(
			"container %s repairs the append-only log at every start: that cuts it at the first damage, and the writes after it are lost",
			[container.name],
		),
		"path": container.path,
		"key": sprintf("%s check-aof", [container.name]),
		"fix": concat(" ", [
			"Remove it: a log that only breaks off at its end loads without it (aof-load-truncated). If Redis refuses a log, copy",
			"the data directory first, look for a newer replica or dump, and repair it by hand",
		]),
	}
}

# Without an answer, it asks, and does nothing.
cutting := `(\byes|(echo|printf)\s+["']?[yY]\S*)\s*\|\s*(\S*/)?(redis|valkey|keydb)-check-aof\s+--fix`

# A function that may never be called, or lines of a text.
set_aside := `[A-Za-z0-9_]\s*\(\)\s*\{|(^|\s)function\s|<<-?\s*["']?[A-Za-z0-9_]`

deciding := `(^|[\s;(])(if|case|test|\[|\[\[)\s|&&|\|\|`

# Whether there is a log, whether it is damaged, and that nothing comes of a failure.
harmless := concat("", [
	`((if|&&)\s+)?\[\[?\s+!?\s*-[edfs]\s+[^\]]*\]\]?(\s*(&&|\|\|\s*continue))?`,
	`|if\s+!\s+(\S*/)?(redis|valkey|keydb)-check-aof\s[^;|&]*|\|\|\s*(true|:|echo[^;&|]*)`,
])

applies(command, said, i) if {
	argument := command.argument
	regex.match(argument, said[i + 1].text)
}

applies(command, said, _) if {
	not command.argument
	every word in said {
		not word.text in {"-n", "--dry-run", "-V", "--version", "--help"}
	}
}

on(container) := [found |
	of_engine := switches[engines.of(container)]
	not settings.decides(container)
	given := array.concat(settings.given(container), in_files(container))
	some switch in of_engine
	set := set_to(container, given, switch)
	is_on(switch, lower(set.value))
	counts(switch, container)
	found := object.union(
		{"name": set.shown, "path": set.path, "founds": false},
		object.filter(switch, ["founds", "harm", "fix", "check", "state"]),
	)
]

# The files that the server reads, as far as they are in ConfigMaps of the run. What the command line says comes first.
in_files(container) := [item |
	some item in settings.in_files(container, object.get(files, engines.of(container), `^$`))
	is_read(container, item.file)
]

is_read(_, file) if not endswith(file, "/postgresql.conf")

is_read(_, file) if contains(file, "bitnami/")

# -c config_file=/etc/pg/postgresql.conf
is_read(container, file) if {
	some word in settings.words(container)
	endswith(word.text, file)
}

is_read(_, file) if {
	some dir in input.workload.engine.data_dirs
	startswith(file, dir.dir)
}

files := {
	"etcd": `\.ya?ml$`,
	"mysql": `^/(etc/my\.cnf\.d/|etc/mysql/|(opt/)?bitnami/(mysql|mariadb)/conf/).*\.cnf$|^/etc/my\.cnf$`,
	"postgres": `^/((opt/)?bitnami/postgresql/conf/|etc/postgresql/).*\.conf$|/postgresql\.conf$`,
}

# What concerns the cluster is harmless where there is only one member.
counts(switch, _) if not object.get(switch, "founds", object.get(switch, "of_several", object.get(switch, "of_one", false)))

counts(switch, container) if {
	several(container)
	not switch.of_one
}

counts(switch, container) if {
	switch.of_one
	not several(container)
}

set_to(_, given, switch) := {"value": item.value, "path": item.path, "shown": object.get(switch, "shown", shown(item))} if {
	setting := switch.setting
	item := [one | some one in given; trim_prefix(one.name, "loose-") == setting][0]
}

set_to(container, _, switch) := {"value": item.value, "path": item.path, "shown": item.name} if {
	item := settings.variable(container, switch.variable)
	item.value != "" # as charts write what is off
}

shown(item) := sprintf("%s (in %s)", [item.shown, item.file]) if {
	item.file
} else := sprintf("--%s", [item.name])

# A property of the Java machine, in any of its variables.
set_to(container, _, switch) := {"value": "true", "path": items[0].path, "shown": property} if {
	property := switch.property
	items := [item |
		some name in ["JVM_OPTS", "JVM_EXTRA_OPTS", "JAVA_OPTS", "JVMFLAGS", "SERVER_JVMFLAGS", "CASSANDRA_JVM_EXTRA_OPTS"]
		item := settings.variable(container, name)
		contains(item.value, property)
	]
	count(items) > 0
}

is_on(switch, value) if value in object.get(switch, "values", {"", "1", "yes", "true", "on"})

# 1 to 6
is_on(switch, value) if {
	object.get(switch, "levels", false)
	regex.match(`^[1-9]$`, value)
}

named(found) := concat(" and ", [item.name | some item in found])

several(_) if input.workload.replicas > 1

several(_) if input.workload.kind == "DaemonSet"

# One member to a workload, which names the others.
several(container) if {
	some address in addresses(container)
	contains(address, ",")
}

addresses(container) := array.concat(
	[item.value |
		some item in array.concat(settings.given(container), in_files(container))
		item.name in {"wsrep-cluster-address", "initial-cluster"}
	],
	[item.value |
		some name in ["MARIADB_GALERA_CLUSTER_ADDRESS", "ETCD_INITIAL_CLUSTER"]
		item := settings.variable(container, name)
	],
)

founds_anew := "a pod that restarts founds a cluster of its own beside the others"

# Once it has data, a server of Consul does not found again.
splits := {"consul": "servers with it on never join each other: each is a cluster of its own"}

# Galera gives its data to whoever joins. In the others, what has been a cluster of its own stays one.
joins_again := {
	"mysql": " while another member runs, else nobody can be joined",
	"etcd": "; such a member joins only with an empty data directory, after etcdctl member add on one that is in it",
	"consul": "; such a server joins only with an empty data directory",
}

# What says where the others are, or how many, stays: without an address, a member joins nobody.
removal(founding) := sprintf("%s%s", [corrected, besides(others)]) if {
	names := [found.name | some found in founding]
	corrected := correction([name | some name in names; keeps(name)])
	others := [name | some name in names; not keeps(name)]
} else := sprintf("remove %s", [named(founding)])

keeps(name) if is_address(name)

keeps(name) if name == "-bootstrap-expect=1"

is_address(name) if regex.match(`^(--)?wsrep[-_]cluster[-_]address`, name)

correction(kept) := sprintf("write all members into %s, as gcomm://NAME-0.SERVICE,NAME-1.SERVICE,...", [concat(" and ", kept)]) if {
	is_address(kept[0])
} else := "set -bootstrap-expect to the number of servers" if {
	count(kept) > 0
}

besides(others) := sprintf(", and remove %s", [concat(" and ", others)]) if {
	count(others) > 0
} else := ""

checks := {
	"mysql": "Check on each member that SHOW STATUS LIKE 'wsrep_cluster_size' counts all of them",
	"etcd": "Check on each member that etcdctl member list names all of them",
	"consul": "Check on each server that consul operator raft list-peers names all of them",
}

dump_and_leave := concat(" ", [
	"Snapshot the volume first. Dump what can be read, load it into a new database on a new volume, and start that one",
	"without {it}",
])

off := {"off", "no", "false", "0"}

torn := "a crash of the node may leave files that nothing can read"

# A setting that is not given is on.
written_again := "Remove {it}, and restart the server: what was written before is safe once a CHECKPOINT has run"

alone_again := "every restart makes a cluster of one of it again, without the members that were added since"

once_healthy := "Once etcdctl endpoint health reports the member as healthy, remove {it}: its data directory has the new membership"

# Commands of recovery, by the engine of the workload.
commands := {
	"postgres": [{
		"program": `(^|/)pg_reset(wal|xlog)$`,
		"shown": "pg_resetwal",
		"harm": "it throws the write-ahead log away, and with it transactions and the consistency of the files",
		"fix": concat(" ", [
			"Remove it. If it has run, snapshot the volume, dump what can be read, load it into a new database on a new",
			"volume, and check the data there",
		]),
	}],
	"rabbitmq": [{
		"program": `(^|/)rabbitmqctl$`,
		"argument": `^force_boot$`,
		"of_several": true,
		"shown": "rabbitmqctl force_boot",
		"harm": "a node starts without the one that stopped last, and what that one alone has is lost",
		"fix": "Once rabbitmqctl cluster_status names every node as running, remove it",
	}],
	"elasticsearch": [{
		"program": `(^|/)(elasticsearch|opensearch)-node$`,
		"argument": `^(unsafe-bootstrap|detach-cluster)$`,
		"shown": "elasticsearch-node unsafe-bootstrap or detach-cluster",
		"harm": "the node leaves or replaces the cluster that it knows, and what other masters had accepted is lost",
		"fix": "Remove it once GET _cluster/health names all nodes; if it has run on several nodes, restore a snapshot",
	}],
}

# By engine.
switches := {
	"mysql": [
		{"setting": "wsrep-new-cluster", "founds": true},
		{"setting": "wsrep-cluster-address", "values": {"gcomm://"}, "founds": true},
		{
			"setting": "group-replication-bootstrap-group",
			"founds": true,
			"check": "Check on each member that performance_schema.replication_group_members lists all of them as ONLINE",
		},
		{"variable": "MARIADB_GALERA_CLUSTER_BOOTSTRAP", "founds": true},
		{"variable": "MARIADB_GALERA_FORCE_SAFETOBOOTSTRAP", "founds": true},
		{
			"setting": "innodb-force-recovery",
			"values": set(),
			"levels": true,
			"harm": "every start skips a part of crash recovery, and from 4 on this can damage the files for good",
			"fix": dump_and_leave,
		},
	],
	"etcd": [
		{"setting": "force-new-cluster", "founds": true},
		{"variable": "ETCD_FORCE_NEW_CLUSTER", "founds": true},
		{"setting": "force-new-cluster", "of_one": true, "harm": alone_again, "fix": once_healthy},
		{"variable": "ETCD_FORCE_NEW_CLUSTER", "of_one": true, "harm": alone_again, "fix": once_healthy},
	],
	"consul": [
		{"setting": "bootstrap", "founds": true},
		# The same switch.
		{"setting": "bootstrap-expect", "values": {"1"}, "founds": true, "shown": "-bootstrap-expect=1"},
	],
	"rabbitmq": [
		{
			"variable": "RABBITMQ_FORCE_BOOT",
			"of_several": true,
			"harm": "a node starts without the one that stopped last, and what that one alone has is lost",
			"fix": "Once rabbitmqctl cluster_status names every node as running, remove {it}",
		},
	],
	"postgres": [
		{
			"setting": "zero-damaged-pages",
			"harm": "pages that cannot be read are replaced by zeros, and their rows are gone",
			"fix": dump_and_leave,
		},
		{
			"setting": "ignore-invalid-pages",
			"harm": "changes to pages that are missing are skipped, and their rows are gone",
			"fix": dump_and_leave,
		},
		{
			"setting": "ignore-checksum-failure",
			"harm": "damaged pages are read as if they were sound, and the damage spreads to replicas and dumps",
			"fix": dump_and_leave,
		},
		{"setting": "fsync", "values": off, "shown": "fsync=off", "state": "", "harm": torn, "fix": written_again},
		{
			"setting": "full-page-writes",
			"values": off,
			"shown": "full_page_writes=off",
			"state": "",
			"harm": torn,
			"fix": written_again,
		},
	],
	"mongodb": [{
		"setting": "repair",
		"harm": "every start writes all files anew, drops what it cannot read, and ends",
		"fix": "Remove {it}. If a member needs it, snapshot its volume first, and run it once, by hand; of a replica set, sync that member anew instead",
	}],
	"zookeeper": [
		{
			"property": "zookeeper.snapshot.trust.empty=true",
			"harm": "a server that has lost its snapshots starts empty, and can win the election",
			"fix": "Once every server has written a snapshot (dataDir/version-2), remove {it}",
		},
	],
	"cassandra": [
		{
			"property": "cassandra.replace_address=",
			"harm": "a node that has joined does not start again",
			"fix": "Once nodetool status shows the new node as UN, remove {it}",
		},
	],
}
