# METADATA
# title: Data has one writer
# description: >-
#   Two workloads that write the files of one data store corrupt them, and access modes short of ReadWriteOncePod do not
#   prevent it: with ReadWriteOnce both may run on the same node. It happens with a second Deployment for a test, a Job
#   that restores a backup while the store runs, or a Pod for repairs. This policy checks claims that hold a data
#   directory of this workload or of the other one, and claims that a StatefulSet creates for its replicas. Claims that
#   applications share on purpose hold no data directory and pass, as do read-only mounts and workloads with 0 replicas.
#   Which part of a claim (subPath) the other workload mounts is not known. If a Job, CronJob or Pod mounts the claim of
#   another workload, the Job, CronJob or Pod is flagged; if two workloads are checked together, the one that does not
#   own the data. The other workloads are those that stategate last saw, or those in the same bundle of files.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
# - ref: https://kubernetes.io/docs/concepts/storage/volume-pvc-datasource/
# custom:
#   severity: critical
#   action: deny
#   match:
#     kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod, Job.batch, CronJob.batch]
#     classes: [durable, batch]
#   inventory: {StatefulSet.apps: bundle, Deployment.apps: bundle, DaemonSet.apps: bundle}
#   parameters:
#     allow_jobs: {type: boolean, default: false, description: Jobs may write to the claims of a data store.}
#   fix: >-
#     Give it a claim of its own. To back up, copy the data over the network with its own tool or take a VolumeSnapshot
#     and mount a claim made from it; to restore, restore over the network or stop the store first.
#   why: "ReadWriteOnce does not prevent it: it admits every pod on the same node"
package stategate.storage.pvc_single_consumer

import data.stategate.lib.claims
import data.stategate.lib.dumps

violation contains v if {
	some claim in {writer.claim | some writer in writers}
	v := {
		"msg": sprintf("claim %s is written by %s already: %s", [claim, those(claim), consequence(claim)]),
		"path": path(claim),
		"fix": remedy(claim),
	}
}

writers contains consumer if {
	object.get(input.workload, "replicas", 1) > 0
	not allowed_job
	some consumer in input.related.consumers
	writes(consumer)
	writes_here(consumer.claim)
	for_one_writer(consumer)
	not told_there(consumer)
}

# In directories of their own, two writers do no harm, but which directory the other one has is not known.
consequence(claim) := "two writers of the same files corrupt them" if {
	in_part(claim)
} else := "a second writer corrupts its data"

in_part(claim) if {
	mounts := [mount | some mount in claims.mounts_of(claim); not mount.read_only]
	count(mounts) > 0
	every mount in mounts {
		object.get(mount, "sub_path", "") != ""
	}
}

names(claim) := sort([sprintf("%s %s", [writer.kind, writer.name]) | some writer in writers; writer.claim == claim])

those(claim) := concat(" and ", names(claim)) if {
	count(names(claim)) < 3
} else := sprintf("%s and %d others", [names(claim)[0], count(names(claim)) - 1])

# Even a mount that only reads may wait for the volume, and copies of files that are being written are no backup.
remedy(claim) := sprintf(
	"To back up, copy its data out (%s) or mount a claim made from a VolumeSnapshot%s; to restore, stop %s first",
	[dumps.with_tool(engine(claim)), one_at_a_time, those(claim)],
) if {
	input.workload.kind in {"Job", "CronJob", "Pod"}
} else := sprintf(
	"Give it a claim of its own, or see that both mount a subPath of their own; to start it on a copy of %s, make that claim %s",
	[claim, "from a VolumeSnapshot"],
) if {
	in_part(claim)
} else := sprintf("Give it a claim of its own; to start it on a copy of %s, make that claim from a VolumeSnapshot", [claim])

# Of several, no tool copies the data of all.
engine(claim) := concat(" ", {writer.engine | some writer in writers; writer.claim == claim})

one_at_a_time := ", with concurrencyPolicy: Forbid" if {
	input.workload.kind == "CronJob"
} else := ""

# An existing Job or Pod may have ended long ago; a new one is reviewed itself.
writes(consumer) if {
	consumer.kind in {"StatefulSet", "Deployment", "DaemonSet"}
	not consumer.read_only
	object.get(consumer, "replicas", 1) > 0
}

writes_here(name) if {
	some claim in claims.written
	claim.name == name
	claim.origin == "reference"
}

writes_here(name) if made_here(name)

# A claim that this StatefulSet creates for one of its replicas.
made_here(name) if {
	input.workload.kind == "StatefulSet"
	some claim in input.workload.claims
	claim.origin == "template"
	startswith(name, concat("-", [claim.name, input.workload.name, ""]))
}

for_one_writer(consumer) if owned_here(consumer.claim)

for_one_writer(consumer) if owned_there(consumer)

owned_here(name) if made_here(name)

owned_here(name) if {
	some claim in claims.of_data
	claim.name == name
	claim.origin == "reference"
}

owned_there(consumer) if consumer.holds_data

# StatefulSets name the claims of their replicas <template>-<name>-<ordinal>.
owned_there(consumer) if {
	consumer.kind == "StatefulSet"
	contains(consumer.claim, concat("-", ["", consumer.name, ""]))
}

# The workload that does not own the data is flagged; of two data stores on one claim, the one whose name sorts last.
told_there(consumer) if {
	consumer.reviewed
	owned_here(consumer.claim)
	not owned_there(consumer)
}

told_there(consumer) if {
	consumer.reviewed
	owned_here(consumer.claim)
	concat("/", [consumer.kind, consumer.name]) > concat("/", [input.workload.kind, input.workload.name])
}

allowed_job if {
	input.parameters.allow_jobs
	input.workload.kind in {"Job", "CronJob"}
}

path(name) := ["spec", "volumeClaimTemplates"] if {
	made_here(name)
} else := [claim.path | some claim in input.workload.claims; claim.name == name][0]
