# Pods that are gone for the API server before they have stopped.
package stategate.lib.grace

import data.stategate.lib.data_dirs

# A grace period of zero is a forced deletion: the successor may start while the old pod still writes to the volume.
forced if {
	input.workload.termination_grace_seconds == 0
	not by_design
	some container in input.workload.containers
	some mount in container.mounts
	data_dirs.persisted({"mount": mount})
}

# Several pods of a Deployment share their volume all the time, unless a data store runs in them.
by_design if {
	not input.workload.engine
	input.workload.kind in {"Deployment", "ReplicaSet", "ReplicationController"}
	input.workload.replicas > 1
}
