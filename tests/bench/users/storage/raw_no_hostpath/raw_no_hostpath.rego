# METADATA
# title: Data does not lie on a node
# description: A hostPath stays behind when its pod moves.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Use a PersistentVolumeClaim.
package stategate.storage.raw_no_hostpath

import data.stategate.lib.objects

violation contains v if {
	some container in objects.running
	objects.is_store(container)
	some mount in container.volumeMounts
	some volume in objects.pod.volumes
	volume.name == mount.name
	volume.hostPath
	v := {"msg": sprintf("<%v> keeps %v on the node, in %v", [container.name, mount.mountPath, volume.hostPath.path])}
}
