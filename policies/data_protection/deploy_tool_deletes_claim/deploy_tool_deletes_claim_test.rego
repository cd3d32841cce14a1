package stategate.data_protection.deploy_tool_deletes_claim_test

import data.stategate.data_protection.deploy_tool_deletes_claim as policy

claim(annotations) := {
	"workload": {
		"kind": "PersistentVolumeClaim",
		"name": "db",
		"namespace": "shop",
		"annotations": annotations,
		"claims": [{"name": "db", "origin": "object"}],
	},
	"related": {},
}

found(document) := violations if violations := policy.violation with input as document

test_a_hook_is_deleted_before_it_is_made if {
	every event, when in {
		"pre-install": "installation",
		"pre-install,pre-upgrade": "upgrade",
		"post-upgrade": "upgrade",
		"pre-rollback, pre-install": "rollback",
	} {
		some v in found(claim({"helm.sh/hook": event}))
		startswith(v.msg, sprintf("Helm deletes claim db at every %s", [when]))
		contains(v.fix, "kubectl annotate pvc db -n shop meta.helm.sh/release-name=RELEASE")
	}
}

test_the_delete_policy_decides if {
	expected := {"before-hook-creation": 1, "hook-succeeded": 1, "hook-failed": 0, "hook-failed,before-hook-creation": 1}
	every said, count_of in expected {
		count(found(claim({"helm.sh/hook": "pre-upgrade", "helm.sh/hook-delete-policy": said}))) == count_of
	}
}

test_other_events_pass if {
	every event in ["test", "pre-delete", "post-delete", "crd-install"] {
		found(claim({"helm.sh/hook": event})) == set()
	}
	found(claim({"helm.sh/resource-policy": "keep"})) == set()
}

test_hooks_of_argo_cd_fail if {
	some v in found(claim({"argocd.argoproj.io/hook": "PreSync"}))
	startswith(v.msg, "Argo CD deletes claim db at every sync")
	found(claim({"argocd.argoproj.io/hook": "Skip"})) == set()
	found(claim({"argocd.argoproj.io/hook": "Sync", "argocd.argoproj.io/hook-delete-policy": "HookFailed"})) == set()
	count(found(claim({"argocd.argoproj.io/hook": "PreSync", "helm.sh/hook": "pre-upgrade"}))) == 1
}

test_forced_replacement_fails if {
	some v in found(claim({"argocd.argoproj.io/sync-options": "Force=true, Replace=true"}))
	contains(v.fix, "Take Force=true and Replace=true out")
	found(claim({"argocd.argoproj.io/sync-options": "Replace=true"})) == set()
	found(claim({"argocd.argoproj.io/sync-options": "Force=true"})) == set()
}

test_space_for_a_task_passes if {
	by(kinds_of({"Job", "Pod"})) == set()
	count(by(kinds_of({"Job", "StatefulSet"}))) == 1
}

kinds_of(kinds) := [{"kind": kind} | some kind in kinds]

by(consumers) := found(object.union(claim({"helm.sh/hook": "pre-upgrade"}), {"related": {"consumers": consumers}}))

statefulset(when_deleted) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"namespace": "shop",
		"annotations": {"helm.sh/hook": "post-upgrade"},
		"claims": [{"name": "data", "origin": "template"}],
		"retention": {"when_deleted": when_deleted},
	},
	"related": {},
}

test_a_statefulset_fails_if_its_claims_go_with_it if {
	some v in found(statefulset("Delete"))
	contains(v.msg, "StatefulSet pg with its claims")
	contains(v.fix, "whenDeleted: Retain")
	found(statefulset("Retain")) == set()
}
