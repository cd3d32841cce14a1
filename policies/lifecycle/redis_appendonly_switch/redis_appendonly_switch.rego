# METADATA
# title: A restart costs Redis none of its keys
# description: >-
#   Redis and Valkey read one kind of file when they start: with appendonly on, the append-only file, and otherwise
#   dump.rdb. Turned on by a restart, appendonly makes them look for a file that does not exist yet: they start empty,
#   and the next save overwrites the dump. Turned off where nothing is dumped (save ""), it leaves a log that nobody
#   reads. CONFIG SET on the running server writes the file that the next start needs. This policy flags an update that
#   changes the setting in arguments, in a file from a ConfigMap of the run that the command names, or in the variables
#   of Bitnami's images, if the data is on a lasting volume. It also flags an update after which nothing is kept at all,
#   and one that makes a server by itself the replica of another (replicaof), which then replaces all its keys by those
#   of its primary. The step passes once it is confirmed. What another configuration file, a script that decides between
#   servers, or Sentinel sets is not seen. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
# - ref: https://github.com/redis/redis/pull/12506
#   description: The warning in redis.conf.
# - ref: https://redis.io/docs/latest/operate/oss_and_stack/management/replication/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Set it with CONFIG SET on each running server first, and then: kubectl annotate KIND NAME
#     stategate.io/confirm-appendonly='no->yes'
#   why: at the restart it looks for a file that does not exist yet, or takes the keys of another, and loses its own
package stategate.lifecycle.redis_appendonly_switch

import data.stategate.lib.confirm
import data.stategate.lib.data_dirs
import data.stategate.lib.dumps

confirmation := "stategate.io/confirm-appendonly"

violation contains v if {
	step := sprintf("%s->%s", [appendonly(before), appendonly(after)])
	lost := loss(step)
	why := confirm.missing(input.workload, confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, confirmation, step)
	v := {
		"msg": sprintf("appendonly changes from %s by a restart: %s; %s", [replace(step, "->", " to "), lost, why]),
		"path": after.path,
		"key": "appendonly",
		"fix": sprintf("%s; then confirm: %s", [preparation(step), command]),
	}
}

# From now on a restart loses what was written since this one.
violation contains v if {
	was := before
	now := after
	persists(was)
	appendonly(now) == "no"
	dumps_nothing(now)
	step := "kept->lost"
	why := confirm.missing(input.workload, confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, confirmation, step)
	v := {
		"msg": sprintf("redis keeps nothing new any more (appendonly no, save \"\"): each restart loses what was written since its last dump; %s", [why]),
		"path": now.path,
		"key": "persistence",
		"fix": sprintf(
			"Keep appendonly or a save point; if it is only a cache, annotate stategate.io/data-durability: cache; else: %s",
			[command],
		),
	}
}

# A replica takes all the keys of its primary, and drops its own.
violation contains v if {
	alone(before)
	not volatile(before)
	now := after
	primary := follows(now)
	regex.match(`^[A-Za-z0-9_.:-]+$`, primary)
	primary != "no"
	not of_its_own(primary)
	not led_otherwise
	step := sprintf("alone->%s", [primary])
	why := confirm.missing(input.workload, confirmation_of_primary, step)
	command := confirm.command(lower(input.workload.kind), input.workload, confirmation_of_primary, step)
	v := {
		"msg": sprintf("redis becomes a replica of %s: the first synchronization replaces all its keys with those of %s; %s", [primary, primary, why]),
		"path": now.path,
		"key": "replicaof",
		"fix": sprintf("Keep it a primary; if its keys may go, save them all the same (%s), then confirm: %s", [
			dumps.with_tool("redis"), command,
		]),
	}
}

confirmation_of_primary := "stategate.io/confirm-replicaof"

alone(container) if follows(container) in {"", "no"}

volatile(container) if {
	appendonly(container) == "no"
	dumps_nothing(container)
}

# "no" for NO ONE. Undefined if a script decides between servers.
follows(container) := primary if {
	not between_primaries(container)
	primary := primary_of(container)
}

between_primaries(container) if {
	line := text(container)
	regex.match(`(?i)(replicaof|slaveof)`, line)
	regex.match(branch, line)
}

# `$(NAME)` is a variable.
branch := `\b(if|case|for|while)\b|&&|\|\||\$\([^)]*[^A-Za-z0-9_)]`

# Undefined if something decides that the manifest does not show.
primary_of(container) := primary if {
	said := regex.find_all_string_submatch_n(`(?i)--(?:replicaof|slaveof)[ =]+["']?([^\s"']+)`, text(container), -1)
	count(said) > 0
	primary := lower(said[count(said) - 1][1])
} else := primary if {
	file := file_of(container)
	bare(container)
	said := regex.find_all_string_submatch_n(`(?mi)^[ \t]*(?:replicaof|slaveof)[ \t]+["']?([^\s"']+)`, file.text, -1)
	with_default := array.concat([["", ""]], said)
	primary := lower(with_default[count(with_default) - 1][1])
} else := primary if {
	contains(container.image.repository, "bitnami")
	bare(container)
	not container.env_from
	not configured(container)
	primary := primary_of_bitnami(container)
} else := "" if {
	unconfigured(container)
}

primary_of_bitnami(container) := "" if {
	said_by(container, modes) in {"", "master", "primary"}
} else := host if {
	said_by(container, modes) in {"slave", "replica"}
	host := said_by(container, hosts)
	host != ""
}

modes := {"REDIS_REPLICATION_MODE", "VALKEY_REPLICATION_MODE"}

hosts := {"REDIS_MASTER_HOST", "VALKEY_PRIMARY_HOST", "VALKEY_MASTER_HOST"}

said_by(container, names) := array.concat(said, [""])[0] if {
	said := [object.get(variable, "value", "$") | some variable in container.env; variable.name in names]
}

# It would follow itself, which it does not do.
of_its_own(primary) if {
	split(primary, ".")[0] in {input.workload.name, object.get(input.workload, "service_name", ""), "localhost", "127"}
}

of_its_own(primary) if {
	host := split(primary, ".")[0]
	startswith(host, sprintf("%s-", [input.workload.name]))
	regex.match(`-[0-9]+$`, host)
}

# Sentinel may have made it a replica already, and others keep their own keys.
led_otherwise if {
	some workload in [input.old_workload, input.workload]
	some container in workload.containers
	said := lower(concat(" ", [container.name, text(container), concat(" ", [variable.name | some variable in container.env]), in_file(container)]))
	some word in ["sentinel", "cluster-enabled", "active-replica", "multi-master"]
	contains(said, word)
}

in_file(container) := file.text if {
	file := file_of(container)
} else := ""

# Where the log is the only copy, it is told that it is not read.
persists(container) if {
	appendonly(container) in {"yes", "no"}
	not dumps_nothing(container)
}

# The container with its data on a lasting volume.
before := [container |
	input.old_workload.engine.name == "redis"
	some container in input.old_workload.containers
	container.name == input.old_workload.engine.container
	some dir in input.old_workload.engine.data_dirs
	dir.container == container.name
	data_dirs.persisted(dir)
][0]

# Without dump and log it no longer counts as a data store.
after := [container |
	some container in input.workload.containers
	container.name == before.name
	container.engine in {"redis", ""}
][0]

loss("no->yes") := "dump.rdb is then not read, and all keys are gone" if {
	was := before
	not dumps_nothing(was)
}

loss("yes->no") := "its file is then not read, there is no dump (save \"\"), and all keys are gone" if {
	dumps_nothing(before)
}

preparation("no->yes") := concat("", [
	"First, in each pod: ",
	client,
	" CONFIG SET appendonly yes, and wait until INFO persistence says aof_enabled:1, aof_rewrite_scheduled:0, ",
	"aof_rewrite_in_progress:0 and aof_last_bgrewrite_status:ok",
])

preparation("yes->no") := sprintf(
	"Keep appendonly, or take --save \"\" out, too: else the next restart loses all. Then, in each pod: %s %s, and %s %s",
	[client, "CONFIG SET save \"3600 1\"", client, in_the_background],
)

# SAVE would stop all clients, and the probes, for as long as it takes.
in_the_background := "BGSAVE, until INFO persistence says rdb_bgsave_in_progress:0 and rdb_last_bgsave_status:ok"

client := sprintf("REDISCLI_AUTH=PASSWORD %s", [program]) if {
	said := text(before)
	contains(said, "--requirepass")
} else := program

program := "valkey-cli" if {
	contains(after.image.repository, "valkey")
} else := "keydb-cli" if {
	contains(after.image.repository, "keydb")
} else := "redis-cli"

# Undefined if something decides that the manifest does not show.
appendonly(container) := value if {
	said := regex.find_all_string_submatch_n(`(?i)--appendonly[ =]+["']?(yes|no)`, text(container), -1)
	count(said) > 0
	not between_logs(container, said)
	value := lower(said[count(said) - 1][1])
} else := value if {
	file := file_of(container)
	plain(container)
	said := regex.find_all_string_submatch_n(`(?mi)^[ \t]*appendonly[ \t]+["']?(yes|no)`, file.text, -1)
	with_default := array.concat([["", "no"]], said)
	value := lower(with_default[count(with_default) - 1][1])
} else := value if {
	contains(container.image.repository, "bitnami")
	plain(container)
	value := of_bitnami(container)
} else := "no" if {
	unconfigured(container)
	plain(container)
}

# A script decides between servers that are not all told the same.
between_logs(container, said) if {
	line := text(container)
	regex.match(branch, line)
	count({lower(value[1]) | some value in said}) > 1
}

between_logs(container, said) if {
	line := text(container)
	regex.match(branch, line)
	count(said) < count(regex.find_n(`(redis|valkey|keydb)-server\s`, line, -1))
}

# All that it is told is on the command line.
unconfigured(container) if {
	container.image.repository in {"library/redis", "valkey/valkey", "eqalpha/keydb"}
	bare(container)
	not file_of(container)
}

unconfigured(container) if {
	startswith(container.image.repository, "redis/redis-stack")
	bare(container)
	not configured(container)
}

configured(container) if {
	some mount in container.mounts
	mount.source in {"configMap", "secret", "projected"}
}

# The one file that the command names, if it is known and says all.
file_of(container) := files[0] if {
	files := [file |
		some file in object.get(container, "files", [])
		contains(text(container), file.path)
		not includes(file)
	]
	count(files) == 1
}

includes(file) if regex.match(`(?m)^[ \t]*include[ \t]`, file.text)

of_bitnami(container) := value if {
	not container.env_from
	names := {"REDIS_AOF_ENABLED", "VALKEY_AOF_ENABLED"}
	said := [object.get(env, "value", "unknown") | some env in container.env; env.name in names]
	with_default := array.concat(said, ["yes"])
	value := with_default[0]
	value in {"yes", "no"}
}

# Neither a configuration file nor a script nor a variable decides. The variable in `--requirepass $(PASSWORD)` is only
# a value.
bare(container) if {
	said := regex.replace(without_file(container), `(?i)--[a-z-]+ +["']?\$[({]?[a-z0-9_]+[)}]?["']?`, "")
	every sign in [".conf", ".sh", "$"] {
		not contains(said, sign)
	}
}

plain(container) if {
	bare(container)
	flags := lower(text(container))
	not contains(flags, "--appendonly")
}

without_file(container) := replace(text(container), file.path, "") if {
	file := file_of(container)
} else := text(container)

dumps_nothing(container) if regex.match(`(?i)--save(\s+(""|'')|\s\s+--|\s*$)`, text(container))

dumps_nothing(container) if {
	regex.match(`(?mi)^[ \t]*save[ \t]+(""|'')[ \t]*$`, file_of(container).text)
	flags := lower(text(container))
	not contains(flags, "--save")
}

# What the images add to the command line by themselves comes last.
text(container) := concat(" ", array.concat(array.concat(container.command, container.args), more)) if {
	more := [variable.value |
		some variable in container.env
		image := adding[variable.name]
		contains(container.image.repository, image)
		variable.value
	]
}

adding := {"REDIS_ARGS": "redis/redis-stack", "VALKEY_EXTRA_FLAGS": "valkey/valkey"}
