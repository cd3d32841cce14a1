package stategate.lib.node_names_test

import data.stategate.lib.node_names

request(kind, spec, overrides) := {
	"workload": {
		"kind": kind,
		"replicas": 1,
		"engine": {"name": "rabbitmq", "container": "mq"},
		"pods": {"spec_path": ["spec", "template", "spec"]},
		"containers": [object.union(
			{
				"name": "mq",
				"image": {"repository": "library/rabbitmq"},
				"command": [],
				"args": [],
				"env": [],
				"env_from": false,
				"mounts": [{"mount_path": "/var/lib/rabbitmq"}],
			},
			overrides,
		)],
	},
	"review": {"object": {"spec": {"template": {"spec": spec}}}},
}

changes(overrides) if node_names.changes with input as request("Deployment", {}, overrides)

test_pods_of_deployments_have_new_names if {
	every kind in ["Deployment", "ReplicationController", "DaemonSet"] {
		node_names.changes with input as request(kind, {"hostNetwork": false}, {})
	}
	every kind in ["StatefulSet", "Pod"] {
		not node_names.changes with input as request(kind, {}, {})
	}
	changes({"args": ["rabbitmq-server"]})
}

test_a_host_name_stays if {
	every spec in [{"hostname": "rabbitmq"}, {"hostNetwork": true}] {
		not node_names.changes with input as request("Deployment", spec, {})
	}
}

test_other_images_and_scripts_are_not_known if {
	not changes({"image": {"repository": "bitnami/rabbitmq"}})
	not changes({"command": ["/start.sh"]})
	not changes({"args": ["sh", "-c", "rabbitmq-server"]})
	not changes({"env_from": true})
}

variable(name, value) := {"env": [{"name": name, "value": value, "from": ""}]}

test_a_node_may_have_a_name_of_its_own if {
	not changes(variable("RABBITMQ_NODENAME", "rabbit@localhost"))
	not changes(variable("RABBITMQ_MNESIA_DIR", "/var/lib/rabbitmq/data"))
	not changes({"env": [{"name": "RABBITMQ_NODENAME", "from": "secretKeyRef"}]})
	changes(variable("RABBITMQ_NODENAME", "shop"))
	changes(variable("RABBITMQ_NODENAME", "rabbit@$(POD_NAME)"))
	changes(variable("RABBITMQ_DEFAULT_USER", "app@shop"))
	changes({"env": [{"name": "RABBITMQ_NODENAME", "from": "fieldRef"}]})
}

test_a_file_may_name_the_node if {
	mounts := {"mounts": [{"mount_path": "/etc/rabbitmq"}]}
	not changes(mounts)
	changes(object.union(mounts, {"files": [{"path": "/etc/rabbitmq/rabbitmq.conf", "text": ""}]}))
	not changes(object.union(mounts, {"files": [{"path": "/etc/rabbitmq/rabbitmq-env.conf", "text": "NODENAME=rabbit@mq"}]}))
	changes({"mounts": [{"mount_path": "/etc/rabbitmq/rabbitmq.conf"}]})
}

test_the_remedy_names_what_keeps_the_name if {
	one := request("Deployment", {}, {})
	contains(node_names.remedy, "with hostname: rabbitmq in the pod template and strategy: {type: Recreate}:") with input as one
	contains(node_names.remedy, "with hostname: rabbitmq in the pod template:") with input as request("DaemonSet", {}, {})
	not contains(node_names.remedy, "hostname:") with input as object.union(one, {"workload": {"replicas": 3}})
	not node_names.remedy with input as request("StatefulSet", {}, {})
}
