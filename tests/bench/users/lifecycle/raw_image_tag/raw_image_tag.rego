# METADATA
# title: Images have a tag that stays
# description: latest is another version after each restart.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [CREATE, UPDATE], classes: [durable, cache, identity-only, batch, none]}
#   fix: Name a version.
package stategate.lifecycle.raw_image_tag

import data.stategate.lib.objects

disallowed := {"latest", "stable", "main", "master", "edge"}

tag(image) := "latest" if not regex.match(`:[^/]+$`, image)

tag(image) := parts[count(parts) - 1] if {
	regex.match(`:[^/]+$`, image)
	parts := split(image, ":")
}

violation contains v if {
	some container in objects.containers
	not contains(container.image, "@sha256:")
	tag(container.image) in disallowed
	v := {"msg": sprintf("container <%v> runs the image <%v>, whose tag moves", [container.name, container.image])}
}
