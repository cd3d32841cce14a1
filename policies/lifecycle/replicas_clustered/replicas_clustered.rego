# METADATA
# title: Several replicas of a data store form one store
# description: >-
#   Three replicas of a plain image are three databases: each has a volume of its own, and the Service in front of them
#   sends every client to any of them, so what one connection wrote the next one does not find. This policy checks
#   StatefulSets with two or more replicas of an engine that has to be told about its members: MinIO with a path
#   instead of URLs, PostgreSQL, MySQL and Redis without replication, NATS without routes, MongoDB without --replSet,
#   Elasticsearch with discovery.type single-node, Vault with files as its storage, and others; and those with one
#   replica that an autoscaler may multiply. Configuration of Redis, MongoDB, NATS, Elasticsearch and Vault is read in
#   ConfigMaps among the manifests. It is silent where something that is not in sight may join them: a script, any other
#   mounted configuration, an init or helper container, envFrom, an image of your own, an owner such as an operator, or
#   the annotation stategate.io/replication.
# related_resources:
# - ref: https://kubernetes.io/docs/tasks/run-application/run-replicated-stateful-application/
# - ref: https://cloudnative-pg.io/documentation/current/database_import/
# - ref: https://min.io/docs/minio/windows/operations/install-deploy-manage/deploy-minio-single-node-single-drive.html
# - ref: https://www.mongodb.com/docs/manual/tutorial/convert-standalone-to-replica-set/
# - ref: https://etcd.io/docs/v3.6/op-guide/runtime-configuration/
# custom:
#   severity: high
#   action: warn
#   match:
#     kinds: [StatefulSet.apps]
#     subresources: ["", scale]
#   inventory: {HorizontalPodAutoscaler.autoscaling: optional, ScaledObject.keda.sh: optional}
#   fix: >-
#     Keep replicas: 1 until replication is set up. If several run already, each holds data of its own: save all of
#     them before you scale down.
#   why: "each replica has a volume of its own, and the Service sends clients to any of them"
package stategate.lifecycle.replicas_clustered

import data.stategate.lib.dumps
import data.stategate.lib.members

violation contains v if {
	replicas := input.workload.replicas
	replicas > 1
	members.separate
	engine := input.workload.engine.name
	v := {
		"msg": sprintf(
			"nothing joins the %d replicas of StatefulSet %s: each is a separate %s, without the others' data",
			[replicas, input.workload.name, engine],
		),
		"path": ["spec", "replicas"],
		"fix": sprintf("%s; for more than one, %s%s", [back, members.set_up(engine), old_claims]),
	}
}

# An autoscaler adds replicas later.
violation contains v if {
	object.get(input.workload, "replicas", 1) < 2
	some scaler in input.related.autoscalers
	most := scaler.max
	most > 1
	members.separate
	engine := input.workload.engine.name
	v := {
		"msg": sprintf(
			"%s %s may run up to %d replicas of StatefulSet %s, which nothing joins: each is a separate, empty %s",
			[scaler.kind, scaler.name, most, input.workload.name, engine],
		),
		"path": ["spec", "replicas"],
		"key": concat("/", [scaler.kind, scaler.name]),
		"fix": sprintf("Remove %s %s; for more than one, %s", [scaler.kind, scaler.name, members.set_up(engine)]),
	}
}

# Growing from one, nothing has been written to the others yet.
back := "Keep replicas: 1" if {
	input.old_workload.replicas < 2
} else := sprintf(
	"If it runs already, save each of the %d first (%s; a file for each), since each holds data that the others lack; then set replicas: 1",
	[input.workload.replicas, dumps.with_tool(input.workload.engine.name)],
)

# The claims of the pods that go stay, and a member that starts on one of them is the old store again.
old_claims := "" if {
	input.old_workload.replicas < 2
} else := sprintf(", once the old claims of the others are gone (%s-%s-1 and up)", [template, input.workload.name]) if {
	template := [claim.name | some claim in input.workload.claims; claim.origin == "template"][0]
} else := ""
