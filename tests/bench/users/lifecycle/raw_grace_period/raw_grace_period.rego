# METADATA
# title: Data stores have time to shut down
# description: A store that is killed recovers for long.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Set terminationGracePeriodSeconds to 60 or more.
package stategate.lifecycle.raw_grace_period

import data.stategate.lib.objects

violation contains v if {
	some container in objects.running
	objects.is_store(container)
	object.get(objects.pod, "terminationGracePeriodSeconds", 30) < 60
	v := {"msg": sprintf("<%v> has less than 60 seconds to shut down", [container.name])}
}
