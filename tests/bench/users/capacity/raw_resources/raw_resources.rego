# METADATA
# title: Containers ask for resources
# description: A pod without requests is the first to be evicted.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Set requests and a memory limit.
package stategate.capacity.raw_resources

import data.stategate.lib.objects

required := {["requests", "cpu"], ["requests", "memory"], ["limits", "memory"]}

violation contains v if {
	some container in objects.containers
	some path in required
	object.get(container, array.concat(["resources"], path), "") == ""
	v := {"msg": sprintf("container <%v> has no resources.%v", [container.name, concat(".", path)])}
}
