# METADATA
# title: A running store's data directory stays where it is
# description: >-
#   A data store that is started on an empty directory makes a new, empty database there, and the application writes to
#   it as if nothing had happened. The data lies untouched elsewhere, and the two drift apart from then on. A subPath
#   that is added, a volume mounted at another path, another PGDATA or `--datadir`, another claim, or an image whose
#   default moved (PostgreSQL 18; an image of another vendor) is enough. This policy compares where the data directory
#   is before and after an update: on which volume, and where on it. Two ways to write the same place are the same. A
#   move that is meant is confirmed by an annotation that names both places. Where a script, a Secret, a ConfigMap or a
#   configuration file decides, nothing is known and nothing is flagged; of a subPathExpr, only what its variables
#   cannot change. A directory that leaves its volume for an emptyDir or an ephemeral volume is a move as well; one that
#   is on no volume afterwards is covered by volume-data-dir-persisted, and one that was on none until now, which loses
#   its data by the very update that puts it on a volume, by volume-data-dropped. Files are compared with their previous
#   version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#using-subpath
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#pgdata
#   description: The data directory of the official postgres image, before and from 18 on.
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   parameters:
#     other_claims:
#       type: boolean
#       default: true
#       description: Also judge a change to another claim, which may hold a copy of the data.
#   fix: >-
#     Keep the directory where it is. To move it, stop the store, move its files, and then: kubectl annotate KIND NAME
#     stategate.io/confirm-data-move='OLD->NEW'
#   why: the store starts on an empty directory, and the application fills a new, empty database
package stategate.storage.volume_data_dir_moved

import data.stategate.lib.confirm
import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.versions

confirmation := "stategate.io/confirm-data-move"

violation contains v if {
	count(moves) > 0
	step := concat(",", {move.text | some move in moves})
	why := confirm.missing(input.workload, confirmation, step)
	command := confirm.command(lower(input.workload.kind), input.workload, confirmation, step)
	v := {
		"msg": sprintf(
			"the data directory of %s moves from %s to %s: %sit starts with an empty database, and %s",
			[concat(" and ", stores_that_move), told("was"), told("now"), unless_there, why],
		),
		"path": first_place,
		"key": "data directory",
		"fix": sprintf("%s, %s: %s", [way, confirmed, command]),
	}
}

# What moves is the data of the container's own store: a database and a store of its metrics may share a pod and a claim.
stores_that_move := {object.get(container, "engine", input.workload.engine.name) |
	some move in moves
	some container in input.workload.containers
	container.name == move.container
}

unless_there := "" if {
	every move in moves {
		fleeting(move)
	}
} else := "if nothing is there, "

confirmed := "then confirm" if unless_there != "" else := "confirm"

# Each pod has an empty one.
fleeting(move) if {
	some where in move.now
	split(where, ":")[0] in {"emptyDir", "ephemeral"}
}

told(side) := concat(" and ", {in_words(where) | some move in moves; some where in move[side]})

in_words(where) := text if {
	kind := split(where, ":")[0]
	shown := kinds_of_volumes[kind]
	text := sprintf("%s %s", [shown, trim_prefix(where, sprintf("%s:", [kind]))])
} else := sprintf("claim %s", [where]) if {
	not contains(where, "/")
} else := text if {
	name := split(where, "/")[0]
	text := sprintf("%s in claim %s", [trim_prefix(where, sprintf("%s/", [name])), name])
}

kinds_of_volumes := {"emptyDir": "emptyDir", "ephemeral": "ephemeral volume", "hostPath": "hostPath"}

# Of several containers, the first.
first_place := [container.path |
	some container in input.workload.containers
	container.name in {move.container | some move in moves}
][0] if {
	count(moves) > 0
}

way := concat("; ", [
	"Keep the volume: the data stays on it, and nothing brings it to the new one",
	"a mere cache is annotated stategate.io/data-durability: cache, too; to start empty all the same",
]) if {
	some move in moves
	fleeting(move)
} else := sprintf("Keep the image, or save the data before the update (%s), and after it %s", [tool, back]) if {
	other_software
	not named_now
} else := sprintf(
	"Keep the volume, or stop the store and copy its files (or save the data now: %s; and after it %s)",
	[tool, back],
) if {
	other_claim
} else := "Keep the path, or (with whenScaled: Retain) scale to 0 and move the files on each volume from a pod of its own"

tool := concat("; ", {dumps.with_tool(name) | some name in stores_that_move})

back := concat("; ", {dumps.back_with(name) | some name in stores_that_move})

other_claim if {
	some move in moves
	stores(move.was) != stores(move.now)
}

# The workload names the directory itself: no version moves it.
named_now if {
	some move in moves
	some dir in input.workload.engine.data_dirs
	dir.container == move.container
	not data_dirs.guessed(dir)
}

other_software if input.old_workload.engine.major != input.workload.engine.major

other_software if versions.software(input.old_workload) != versions.software(input.workload)

moves contains move if {
	input.old_workload.engine.name == input.workload.engine.name
	some pair in pairs
	before := units(input.old_workload, pair.was)
	after := object.union(units(input.workload, pair.now), scratch(pair.now))
	some change in changes(before, after)
	judged(change)
	move := {
		"was": change.was,
		"now": change.now,
		"container": pair.now,
		"text": sprintf("%s->%s", [concat("+", change.was), concat("+", change.now)]),
	}
}

# The containers to compare: those of one name, and those that run the engine.
pairs contains {"was": name, "now": name} if {
	some dir in input.workload.engine.data_dirs
	name := dir.container
	some old in input.old_workload.engine.data_dirs
	old.container == name
}

pairs contains {"was": was, "now": now} if {
	was := input.old_workload.engine.container
	now := input.workload.engine.container
}

# Of what is in both, what is elsewhere; and what is there instead of what is no longer there.
changes(before, after) := of_both | instead if {
	of_both := {{"was": was, "now": now} |
		some name, was in before
		now := after[name]
		apart(was, now)
	}
	was := union({old | some name, old in before; not after[name]})
	now := union({new | some name, new in after; not before[name]})
	instead := {{"was": was, "now": now} | apart(was, now)}
}

apart(was, now) if {
	count(was) > 0
	count(now) > 0
	count(was & now) == 0
}

# Where each directory is. The table's defaults for one image are alternatives for one directory.
units(workload, container) := {name: found |
	some dir in workload.engine.data_dirs
	dir.container == container
	not data_dirs.uncertain(dir)
	name := unit(dir)
	found := {where |
		some other in workload.engine.data_dirs
		other.container == container
		unit(other) == name
		where := place(workload, other)
	}
}

# Directories that are nowhere but on a volume that goes with the pod.
scratch(container) := {name: found |
	some dir in on_scratch
	dir.container == container
	name := unit(dir)
	found := {sprintf("%s:%s", [other.mount.source, other.mount.volume]) |
		some other in on_scratch
		other.container == container
		unit(other) == name
	}
}

on_scratch contains dir if {
	some dir in data_dirs.unpersisted
	not data_dirs.uncertain(dir)
	not data_dirs.copied(dir)
	dir.mount.source in {"emptyDir", "ephemeral"}
	not dir.mount.read_only
}

unit(dir) := "" if {
	dir.origin == "default"
} else := dir.dir

place(workload, dir) := concat("/", array.concat([store(workload, dir.mount)], steps)) if {
	data_dirs.persisted(dir)
	below := trim_prefix(dir.dir, dir.mount.mount_path)
	part := object.get(dir.mount, "sub_path", "")
	written := concat("/", [strings.replace_n(of_pods(dir.container), strings.replace_n(values(workload, dir.container), part)), below])
	steps := [step | some step in split(written, "/"); not step in {"", "."}]
}

# From variables that may be in subPathExpr to their values, as far as the manifest shows them.
values(workload, name) := {sprintf("$(%s)", [variable.name]): variable.value |
	env := [object.get(container, "env", []) | some container in workload.containers; container.name == name]
	some variable in env[0]
	variable.value
}

# From variables with the name of the pod, which is each pod's own.
of_pods(name) := {sprintf("$(%s)", [variable.name]): "{pod}" |
	some whole in [input.review.object, input.review.oldObject]
	some container in object.get(whole, array.concat(input.workload.pods.spec_path, ["containers"]), [])
	container.name == name
	some variable in object.get(container, "env", [])
	object.get(variable, ["valueFrom", "fieldRef", "fieldPath"], "") == "metadata.name"
}

# The claim that a volume is. A StatefulSet may also name a claim that its template made.
store(workload, mount) := [claim(workload, volume) | some volume in workload.volumes; volume.name == mount.volume][0]

claim(workload, volume) := sprintf("%s-%s", [volume.claim, workload.name]) if {
	volume.source == "volumeClaimTemplate"
} else := regex.replace(volume.claim, `-[0-9]+$`, "") if {
	volume.source == "persistentVolumeClaim"
	contains(volume.claim, sprintf("-%s-", [workload.name]))
} else := volume.claim if {
	volume.source == "persistentVolumeClaim"
} else := sprintf("hostPath:%s", [trim_suffix(volume.host_path, "/")]) if volume.source == "hostPath"

stores(all) := {split(where, "/")[0] | some where in all}

# What the pod's own variables complete is known as far as it is written: another number of steps, or another step
# without a variable.
judged(change) if {
	sure(change)
	stores(change.was) == stores(change.now)
}

judged(change) if fleeting(change)

judged(change) if {
	input.parameters.other_claims
	sure(change)
	stores(change.was) != stores(change.now)
}

sure(change) if {
	every was in change.was {
		every now in change.now {
			differ(split(was, "/"), split(now, "/"))
		}
	}
}

differ(was, now) if count(was) != count(now)

differ(was, now) if {
	some i, step in was
	step != now[i]
	not contains(step, "$")
	not contains(now[i], "$")
	not is_the_pod(step, now[i])
	not is_the_pod(now[i], step)
}

# A directory that was made for one pod by hand.
is_the_pod("{pod}", name) if startswith(name, sprintf("%s-", [input.workload.name]))
