package stategate.lib.requesters_test

import data.stategate.lib.requesters

by(username, groups) if {
	requesters.exempt with input as {
		"review": {"userInfo": {"username": username, "groups": groups}},
		"parameters": {"exempt_users": ["system:serviceaccount:operators:pg-*"]},
	}
}

test_controllers_nodes_and_drivers_are_exempt if {
	every username in [
		"system:kube-controller-manager",
		"system:serviceaccount:kube-system:namespace-controller",
		"system:serviceaccount:kube-system:generic-garbage-collector",
		"system:serviceaccount:kube-system:ebs-csi-controller-sa",
		"system:serviceaccount:kube-system:local-path-provisioner-service-account",
	] {
		by(username, ["system:serviceaccounts"])
	}
	by("system:node:a", ["system:nodes", "system:authenticated"])
}

test_whoever_the_binding_names_is_exempt if by("system:serviceaccount:operators:pg-operator", [])

test_nobody_else_is if {
	every username in [
		"alice",
		"",
		"system:serviceaccount:shop:namespace-controller",
		"system:serviceaccount:shop:ebs-csi-controller-sa",
		"system:serviceaccount:kube-system:helm-install-console",
		"system:serviceaccount:kube-system:horizontal-pod-autoscaler",
	] {
		not by(username, ["system:masters"])
	}
}

test_a_user_without_groups_is_somebody if {
	not requesters.exempt with input as {
		"review": {"userInfo": {"username": "bob"}},
		"parameters": {"exempt_users": []},
	}
}
