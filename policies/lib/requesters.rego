# Who makes a request: the cluster's own controllers, nodes and storage drivers, which carry out what a person has begun,
# or somebody else. The webhooks are not sent what these do (`src/policyset/match_conditions.rs`, where a test keeps both
# lists the same).
package stategate.lib.requesters

import data.stategate.lib.globs

# The program that runs the built-in controllers without accounts of their own is one of them.
components := {
	"system:apiserver",
	"system:cloud-controller-manager",
	"system:kube-controller-manager",
	"system:kube-scheduler",
}

# Controllers of kube-controller-manager that write to kinds that policies judge. The autoscaler of pods is not among
# them: scale-down-guard judges what it does.
controllers := {
	"attachdetach-controller",
	"cronjob-controller",
	"daemon-set-controller",
	"deployment-controller",
	"device-taint-eviction-controller",
	"disruption-controller",
	"endpoint-controller",
	"endpointslice-controller",
	"ephemeral-volume-controller",
	"expand-controller",
	"generic-garbage-collector",
	"job-controller",
	"namespace-controller",
	"node-controller",
	"persistent-volume-binder",
	"pod-garbage-collector",
	"pv-protection-controller",
	"pvc-protection-controller",
	"replicaset-controller",
	"replication-controller",
	"resourcequota-controller",
	"service-controller",
	"statefulset-controller",
	"ttl-after-finished-controller",
	"volumeattributesclass-protection-controller",
}

# What is in the names of service accounts of storage drivers in kube-system.
drivers := {"csi", "provisioner"}

# Whether a request is one that no guard asks to confirm. Any other service account is somebody: also that of a Job.
exempt if of_the_cluster

exempt if globs.matches_any(input.parameters.exempt_users, input.review.userInfo.username)

of_the_cluster if input.review.userInfo.username in components

of_the_cluster if "system:nodes" in input.review.userInfo.groups

of_the_cluster if account in controllers

of_the_cluster if {
	some word in drivers
	contains(account, word)
}

# The name of a service account in kube-system. Who may make one there may do anything.
account := trim_prefix(input.review.userInfo.username, kube_system) if {
	startswith(input.review.userInfo.username, kube_system)
}

kube_system := "system:serviceaccount:kube-system:"
