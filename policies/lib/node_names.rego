# RabbitMQ keeps its data in a directory that is named after its node (mnesia/rabbit@HOST), and so after its host.
package stategate.lib.node_names

import data.stategate.lib.paths
import data.stategate.lib.publishers

# Each new pod of the workload has another host name, so that it starts with an empty directory beside the old one.
changes if {
	input.workload.kind in {"Deployment", "ReplicaSet", "ReplicationController", "DaemonSet", "Job", "CronJob"}
	input.workload.engine.name == "rabbitmq"
	not host_is_set
	some container in input.workload.containers
	container.name == input.workload.engine.container
	reads_its_host(container)
	not named(container)
}

# Of the pod, or of its node.
host_is_set if {
	some field in ["hostname", "hostNetwork"]
	value := object.get(input.review.object, array.concat(input.workload.pods.spec_path, [field]), "")
	not value in {"", false}
}

# The official image does, as long as nothing else starts the server. Bitnami's calls the node rabbit@localhost.
reads_its_host(container) if {
	"library" in publishers.owners_of(container.image)
	count(container.command) == 0
	every text in container.args {
		text == "rabbitmq-server"
	}
}

# The node has a name of its own, or what is out of sight may give it one.
named(container) if container.env_from

named(container) if {
	some variable in container.env
	variable.name in {"RABBITMQ_CONF_ENV_FILE", "RABBITMQ_MNESIA_DIR", "RABBITMQ_NODENAME"}
	not of_the_pod(variable)
}

named(container) if {
	some mount in container.mounts
	paths.within("/etc/rabbitmq/rabbitmq-env.conf", mount.mount_path)
	not in_sight(container, mount)
}

named(container) if {
	some file in object.get(container, "files", [])
	file.path == "/etc/rabbitmq/rabbitmq-env.conf"
}

in_sight(container, mount) if {
	some file in object.get(container, "files", [])
	paths.within(file.path, mount.mount_path)
}

# What a field of the pod says changes with the pod, and a name without a host is completed by that of the pod.
of_the_pod(variable) if variable.from == "fieldRef"

of_the_pod(variable) if {
	variable.name == "RABBITMQ_NODENAME"
	value := variable.value
	not contains(value, "@")
}

of_the_pod(variable) if contains(variable.value, "$(")

# What to keep the data on instead of no lasting volume: nothing if the name does not change.
remedy := "a claim of a StatefulSet (the directory is named after the host, and only its pods keep their names)" if {
	changes
	object.get(input.workload, "replicas", 1) > 1
} else := sprintf(
	"a claim of a StatefulSet (or a persistentVolumeClaim, with hostname: rabbitmq in the pod template%s: the directory is named after the host)",
	[one_at_a_time],
) if {
	changes
}

# Two pods of one name would write the same directory during a rollout.
one_at_a_time := " and strategy: {type: Recreate}" if {
	input.workload.kind == "Deployment"
} else := ""
