# METADATA
# title: Objects
# description: The pods of a workload, as each kind has them.
package stategate.lib.objects

resource := input.review.object

# The PodSpec: of a Pod, of a template, or of a CronJob's template of a template.
pod := resource.spec if resource.kind == "Pod"

pod := resource.spec.template.spec if resource.kind in {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}

pod := resource.spec.jobTemplate.spec.template.spec if resource.kind == "CronJob"

containers contains container if some container in pod.containers

containers contains container if some container in pod.initContainers

# Those that run as long as the pod does.
running contains container if some container in pod.containers

is_long_running if resource.kind in {"Deployment", "StatefulSet", "DaemonSet"}

# Names of the images of data stores, without registry and tag.
stores := {
	"postgres", "postgresql", "mysql", "mariadb", "mongo", "mongodb", "redis", "elasticsearch", "cassandra", "kafka",
	"rabbitmq", "etcd", "zookeeper", "clickhouse-server",
}

image_name(container) := split(parts[count(parts) - 1], ":")[0] if {
	parts := split(split(container.image, "@")[0], "/")
}

is_store(container) if image_name(container) in stores
