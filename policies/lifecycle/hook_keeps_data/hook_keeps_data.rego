# METADATA
# title: Lifecycle hooks leave the data alone
# description: >-
#   A preStop hook runs each time that a pod stops: at every update, drain and restart. A postStart hook runs at every
#   start. One that removes the data directory, to start anew in a test or to clean up after a demonstration, deletes
#   the data of the store on its volume, and no volume that outlives the pod helps. This policy looks into hooks of
#   containers that run a data store for `rm -r` and `find … -delete` of a data directory that is on a lasting volume,
#   of a part of it, or of a directory above it. Locks, temporary files, caches, logs and lost+found may go. A script
#   that decides for itself, one that takes its member out of the cluster first, a path with a variable that the
#   manifest does not show, and scripts in images or ConfigMaps are not judged.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   fix: >-
#     If it runs, save its data first, for its pods run their hooks once more when this change replaces them. Then take
#     the command out of the hook.
#   why: "a hook runs at every stop or start of a pod, whatever the reason"
package stategate.lifecycle.hook_keeps_data

import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.hosts
import data.stategate.lib.paths

violation contains v if {
	some container in input.workload.containers
	container.role == "main"
	some hook in ["preStop", "postStart"]
	path := array.concat(container.path, ["lifecycle", hook])
	handler := object.get(input.review.object, path, {})
	gone := removed(container, handler.exec.command)
	count(gone) > 0
	v := {
		"msg": sprintf("%s of container %s removes %s: %s", [hook, container.name, concat(" and ", gone), consequences[hook]]),
		"path": path,
		"fix": fix(container, hook),
	}
}

consequences := {
	"preStop": "every update, drain or eviction of a pod deletes its data",
	"postStart": "every start of a pod deletes the data that it had",
}

# The pods that run now stop with the hook that they have.
fix(container, hook) := sprintf(
	"If it runs, save its data first (%s): its pods run this hook once more as they stop, also for this change. Then take the command out, and %s",
	[dumps.save_of(container.name), dumps.back_of(container.name)],
) if {
	hook == "preStop"
} else := "Take the command out of the hook before a pod starts again"

# Directories that the hook removes, as they are written.
removed(container, command) := {shown |
	some words in commands(container, command)
	some shown in targets(words)
	hits(container, shown)
}

# A program that is run without a shell, or the commands of a script.
commands(container, given) := [[word | some word in command; not contains(word, "*")]] if {
	command := texts(given)
	command[0] in {"rm", "/bin/rm", "/usr/bin/rm", "find", "/usr/bin/find"}
} else := [words |
	some line in regex.split(`\n|;|&&|\||&`, filled_in(container, script))
	words := [word | some rough in regex.split(`\s+`, plainly(line)); word := trim(rough, "(){}"); word != ""]
	count(words) > 0
] if {
	command := texts(given)
	regex.match(`(^|/)(ba|da|a)?sh$`, command[0])
	script := hosts.uncommented(replace(command[count(command) - 1], "\\\n", " "))
	count(script) < most
	not decides(script)
	not leaves(script)
} else := []

# A null is an empty word.
texts(given) := [word | some word in given; is_string(word)]

# Without quotes, and without words before a program that change nothing about what it does.
plainly(line) := regex.replace(replace(replace(line, `"`, ""), "'", ""), `^\s*((exec|sudo|nohup|command)\s+)+`, "")

# Nobody writes a longer one by hand.
most := 5000

# What is done if a command fails changes nothing about it.
decides(all) if {
	script := regex.replace(all, `\|\|\s*(true|:|exit(\s+[0-9]+)?|echo\s[^;&|\n]*)`, "")
	regex.match(`\|\||(^|[\s;(])(if|case|test|\[|\[\[|for|while|until)\s`, script)
}

# A member that has left the cluster may remove what it had.
leaves(script) if regex.match(`(?i)member\s+remove|decommission|remove-?peer|\bleave\b|forget_cluster_node|del-node|removenode`, script)

# With the values of variables that the manifest shows.
filled_in(container, script) := strings.replace_n(
	{name: value |
		words := {word | some word in regex.find_n(`[A-Za-z_][A-Za-z0-9_]*`, script, -1)}
		some variable in container.env
		variable.name in words
		value := variable.value
		some name in [sprintf("${%s}", [variable.name]), sprintf("$(%s)", [variable.name])]
	},
	script,
)

targets(words) := {word | some word in words; startswith(word, "/"); whole(word)} if {
	regex.match(`^(/usr)?(/bin/)?rm$`, words[0])
	some flag in words
	regex.match(`^(-[a-zA-Z]*[rR][a-zA-Z]*|--recursive)$`, flag)
} else := {words[1]} if {
	regex.match(`^(/usr)?(/bin/)?find$`, words[0])
	startswith(words[1], "/")
	whole(words[1])
	"-delete" in words
	not chooses(words)
} else := set()

# All that is in a directory: `/data`, `/data/`, `/data/*`, but not `/data/a*`.
whole(word) if regex.match("^[^*?\\[$`]*$", base(word))

base(word) := trim_right(trim_suffix(word, "*"), "/") if {
	endswith(word, "/*")
} else := trim_right(word, "/")

# By name, age or kind, as what cleans up does.
chooses(words) if {
	some i, word in words
	regex.match(`^-(i?name|i?path|i?wholename|i?regex|[acm](time|min)|newer.*|size|empty|user|group|perm|links|lname)$`, word)
	before := array.slice(words, i - 1, i)
	not concat("", before) in {"!", "\\!", "-not"}
}

hits(container, shown) if {
	path := base(shown)
	some dir in kept(container)
	paths.within(dir, path)
}

hits(container, shown) if {
	path := base(shown)
	some dir in kept(container)
	paths.within(path, dir)
	rest := substring(path, count(dir), -1)
	not regex.match(harmless, rest)
}

kept(container) := {trim_suffix(dir.dir, "/") |
	some dir in input.workload.engine.data_dirs
	dir.container == container.name
	not data_dirs.uncertain(dir)
	data_dirs.persisted(dir)
}

harmless := `(?i)(^|[/_.-])(lost\+found|pid|lock|locks|te?mp|caches?|logs?|archives?|backups?|crash|sock|sockets?|s\.PGSQL.*|queries\.active|auto\.cnf|nodes\.conf|myid|plugins-expand|opts|old|info|index|snapshot)([/_.-]|$)|dumps?(/|$)`
