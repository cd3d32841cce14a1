# METADATA
# title: Data that lives in its pods is saved before they are replaced
# description: >-
#   Data in an emptyDir, in a generic ephemeral volume or in the container itself lives as long as its pod. The change
#   that is right, to a claim, replaces the pods: the claim is empty, and the data is gone with the old pod. For a
#   StatefulSet the same happens when it is deleted with --cascade=orphan and applied with new claim templates, at the
#   restart of its pods. This policy flags such an update of a store that runs, until an annotation confirms that the
#   data has been saved. As long as the data stays in its pods, volume-data-lost-in-rollout warns of each
#   rollout, and volume-no-emptydir-data and the like say what to do about it. What a
#   script, a Secret, a ConfigMap or a configuration file decides is not seen. A lasting volume that is replaced by
#   another one is another matter. Files are compared with their previous version (`--old`).
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volumes/#emptydir
# - ref: https://kubernetes.io/docs/concepts/storage/ephemeral-volumes/#generic-ephemeral-volumes
# custom:
#   severity: critical
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Save the data first, then: kubectl annotate KIND NAME stategate.io/confirm-data-move='OLD->NEW', apply the change
#     and bring the data back.
#   why: the data lives in the pods that this update replaces, and the new volume is empty
package stategate.storage.volume_data_dropped

import data.stategate.lib.confirm
import data.stategate.lib.data_dirs
import data.stategate.lib.dumps
import data.stategate.lib.pod_data

confirmation := "stategate.io/confirm-data-move"

violation contains v if {
	# What was declared a cache may go.
	object.get(input.old_workload, "class", "durable") != "cache"
	object.get(input.old_workload, "replicas", 1) > 0
	object.get(input.workload, "replicas", 1) > 0
	some drop in drops
	step := sprintf("%s->%s", [drop.was, drop.now])
	why := confirm.missing(input.workload, confirmation, step)
	v := {
		"msg": sprintf(
			"this rollout loses the running data of %s%s: it is in %s of the pods that are replaced, and %s",
			[input.workload.name, unless_copied, pod_data.told[drop.was], why],
		),
		"path": drop.path,
		"key": concat("/", ["dropped", drop.container]),
		"fix": sprintf(
			"Save the data now (%s), confirm (%s), apply this, and %s; %s",
			[
				dumps.save_of(drop.container),
				confirm.command(lower(input.workload.kind), input.workload, confirmation, step),
				dumps.back_of(drop.container),
				expendable,
			],
		),
	}
}

unless_copied := "" if pod_data.no_copies else := " (unless other replicas copy it to the new pods)"

# The data directory moves to a lasting volume, which is empty.
drops contains drop if {
	some old in pod_data.at_stake
	some new in input.workload.engine.data_dirs
	new.container == old.container
	data_dirs.persisted(new)
	not lasted(new)
	drop := {"container": old.container, "was": pod_data.kept_in(old), "now": new.mount.volume, "path": new.mount.path}
}

# Of several directories, this one was on a lasting volume before.
lasted(new) if {
	some before in input.old_workload.engine.data_dirs
	before.container == new.container
	before.dir == new.dir
	data_dirs.persisted(before)
}

expendable := "if it may be lost, annotate stategate.io/data-durability: cache instead"
