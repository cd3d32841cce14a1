# METADATA
# title: Claims are restored from a snapshot that is ready and fits
# description: >-
#   A claim whose snapshot does not exist, is not ready or failed stays pending without an error while someone waits
#   for the restore. A claim that is smaller than the snapshot, or that belongs to another driver, can never be
#   created from it. This policy checks a VolumeSnapshot in the claim's own namespace when the claim is created;
#   other sources (claims to clone, populators, snapshots in other namespaces) are not checked. A manifest of a
#   snapshot has no status, so in files it is unknown whether it is ready: only the cluster, or an inventory of it,
#   tells. Whatever stategate does not know about the cluster is not checked.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
# - ref: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#volume-snapshot-and-restore-volume-from-snapshot-support
# custom:
#   severity: medium
#   action: warn
#   match: {kinds: [PersistentVolumeClaim, StatefulSet.apps], operations: [CREATE]}
#   inventory: {VolumeSnapshot.snapshot.storage.k8s.io: cluster, StorageClass.storage.k8s.io: optional}
#   audited: false
#   fix: Name a VolumeSnapshot that is ready (kubectl get volumesnapshot lists them).
#   why: a pod does not start while its claim is pending, so the restore stalls
package stategate.storage.pvc_data_source_ready

violation contains v if {
	some claim in restored
	snapshots := input.related.snapshots
	source := claim.data_source
	name := source.name
	not snapshots[name]
	v := {
		"msg": sprintf("claim %s is restored from VolumeSnapshot %s, which does not exist: it stays pending", [claim.name, source.name]),
		"path": source.path,
	}
}

violation contains v if {
	some claim in restored
	source := claim.data_source
	snapshot := input.related.snapshots[source.name]
	not is_ready(snapshot)
	v := {
		"msg": sprintf("claim %s is restored from VolumeSnapshot %s, which is not ready%s", [claim.name, source.name, why(snapshot)]),
		"path": source.path,
		"fix": sprintf("Wait until it is (kubectl get volumesnapshot %s), or name another one", [source.name]),
	}
}

violation contains v if {
	some claim in restored
	source := claim.data_source
	snapshot := input.related.snapshots[source.name]
	claim.size < snapshot.restore_size
	v := {
		"msg": sprintf("claim %s asks for %s: less than VolumeSnapshot %s needs", [claim.name, claim.size_text, source.name]),
		"path": array.concat(claim.spec_path, ["resources", "requests", "storage"]),
		"fix": sprintf("Ask for status.restoreSize of the snapshot or more: %d bytes", [snapshot.restore_size]),
	}
}

violation contains v if {
	some claim in restored
	source := claim.data_source
	snapshot := input.related.snapshots[source.name]
	class := input.related.claim_classes[claim.name]
	snapshot.driver != class.provisioner
	v := {
		"msg": sprintf(
			"claim %s is of %s, VolumeSnapshot %s of %s: it cannot be restored there",
			[claim.name, class.provisioner, source.name, snapshot.driver],
		),
		"path": source.path,
		"fix": sprintf("Set storageClassName to a class of %s", [snapshot.driver]),
	}
}

is_ready(snapshot) if snapshot.ready

# A manifest has no status, so whether its snapshot is ready is not known; at admission, one without a status is new.
is_ready(snapshot) if {
	object.get(snapshot, "ready", "unsaid") == "unsaid"
	input.review.uid == ""
}

restored contains claim if {
	some claim in input.workload.claims
	claim.origin in {"object", "template"}
	source := claim.data_source
	source.kind == "VolumeSnapshot"
	not elsewhere(source)
}

elsewhere(source) if source.namespace != input.workload.namespace

why(snapshot) := sprintf(": %s", [snapshot.error]) if {
	snapshot.error
} else := ": it stays pending until it is"
