# METADATA
# title: The files of a running data store are not copied for a backup
# description: >-
#   A Job that mounts the claim of a running data store, even with readOnly, waits for ever on any other node if the
#   volume goes to one node at a time (Multi-Attach), and, once it has the volume, keeps the data store from coming back
#   on another one. What it copies is no backup either: files that are written while they are read do not fit together.
#   This policy checks Jobs, CronJobs and Pods that read a claim on which another workload's data store keeps its data.
#   One that also writes is checked by pvc-single-consumer. A Job that scales the data store to zero and waits for it
#   passes, and so does the claim of a pod that was scaled away: one whose number is not below the replicas, unless the
#   pod is known to be there. Where another workload's numbers start (spec.ordinals.start) is not seen.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# - ref: https://www.postgresql.org/docs/current/backup-file.html
# - ref: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#concurrency-policy
# custom:
#   severity: high
#   action: warn
#   match:
#     kinds: [Pod, Job.batch, CronJob.batch]
#     classes: [durable, batch]
#   inventory: {StatefulSet.apps: bundle, Deployment.apps: bundle, DaemonSet.apps: bundle, Pod: optional}
#   fix: >-
#     Copy the data over the network with its own tool (a dump, a mirror), or take a VolumeSnapshot and mount a claim
#     made from it. For a CronJob, set concurrencyPolicy: Forbid and activeDeadlineSeconds.
#   why: files that are written while they are read do not fit together, and the volume may be on another node
package stategate.backup.backup_live_files

import data.stategate.lib.claims
import data.stategate.lib.dumps

violation contains v if {
	some consumer in input.related.consumers
	consumer.kind in {"StatefulSet", "Deployment", "DaemonSet"}
	consumer.holds_data
	not consumer.read_only
	object.get(consumer, "replicas", 1) > 0
	not of_no_pod(consumer)
	not stops_it(consumer)
	mount := reading[consumer.claim]
	v := {
		"msg": sprintf(
			"%s %s reads the files of %s in claim %s while it runs: that is no backup, and it may wait for the volume",
			[input.workload.kind, input.workload.name, consumer.name, consumer.claim],
		),
		"path": mount.path,
		"fix": sprintf(
			"Copy its data over the network (%s), or mount a claim made from a VolumeSnapshot%s",
			[dumps.with_tool(consumer.engine), once],
		),
	}
}

# A StatefulSet leaves the claims of pods that were scaled away.
of_no_pod(consumer) if {
	consumer.kind == "StatefulSet"
	ordinal := regex.find_n(`-(0|[1-9][0-9]{0,8})$`, consumer.claim, 1)[0]
	endswith(consumer.claim, concat("", ["-", consumer.name, ordinal]))
	to_number(trim_left(ordinal, "-")) >= consumer.replicas
	not has_pod(consumer)
}

# Its numbers may start elsewhere than at 0.
has_pod(consumer) if {
	some pod in input.related.consumers
	pod.kind == "Pod"
	pod.claim == consumer.claim
	pod.owner.kind == "StatefulSet"
	pod.owner.name == consumer.name
}

# It scales the data store to zero and waits until it has stopped.
stops_it(consumer) if {
	some container in input.workload.containers
	some text in array.concat(container.command, container.args)
	regex.match(`kubectl\s[^;&|\n]*wait\s`, text)
	some command in regex.find_n(`scale\s[^;&|\n]*`, text, -1)
	regex.match(`--replicas[= ]0(\s|$)`, command)
	some word in regex.split(`[\s/]+`, command)
	word == consumer.name
}

# Claims that are mounted, but only to be read.
reading := {name: first |
	some name in {volume.claim | some volume in input.workload.volumes}
	mounts := claims.mounts_of(name)
	first := mounts[0]
	every mount in mounts {
		mount.read_only
	}
}

once := concat("", [", and set ", concat(" and ", missing)]) if {
	input.workload.kind == "CronJob"
	count(missing) > 0
} else := ""

missing := array.concat(forbid, deadline)

forbid := [] if {
	input.review.object.spec.concurrencyPolicy == "Forbid"
} else := ["concurrencyPolicy: Forbid"]

deadline := [] if {
	input.review.object.spec.jobTemplate.spec.activeDeadlineSeconds
} else := ["activeDeadlineSeconds"]
