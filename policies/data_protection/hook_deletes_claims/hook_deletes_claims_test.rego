package stategate.data_protection.hook_deletes_claims_test

import data.stategate.data_protection.hook_deletes_claims as policy

container := ["spec", "template", "spec", "containers", 0]

job(annotations, command, args) := {"workload": {
	"kind": "Job",
	"name": "cleanup",
	"annotations": annotations,
	"containers": [{"name": "main", "path": container, "command": command, "args": args}],
}}

found(document) := violations if violations := policy.violation with input as document

script(text) := found(job({"helm.sh/hook": "post-delete"}, ["sh", "-c"], [text]))

test_hook_that_deletes_claims_fails if {
	some v in script("kubectl get pvc -l=a=b | egrep -v NAME | while read x o ; do\n  kubectl delete pvc $x || true ; done")
	v.msg == concat("", [
		"Helm runs Job cleanup at helm uninstall: it deletes claims (kubectl delete pvc), ",
		"and their data with them unless the reclaim policy is Retain",
	])
	v.path == container
	v.fix == "Take kubectl delete pvc out of the hook, and delete claims by hand once nobody needs their data"
}

test_all_ways_to_write_it_fail if {
	every text in [
		"kubectl delete persistentvolumeclaims --all",
		"kubectl -n shop delete pvc -l app=pg --wait=false",
		"kubectl --namespace \"$NS\" delete -l app=pg pvc",
		"/usr/bin/oc delete pvc/data-0 pvc/data-1",
		"kubectl delete sts,pvc -l app=pg",
		"kubectl delete sts/pg pvc/data-pg-0",
		"kubectl delete PVC.v1 data",
		"sleep 5 && kubectl delete \\\n  pv data",
		"kubectl delete namespace shop",
		"kubectl get pvc -o name | xargs -r kubectl delete",
		"kubectl get pvc -l a=b -o name |\\\n xargs kubectl delete --wait=false",
		"kubectl delete $(kubectl get pvc -o name)",
		"echo '; # claims'; kubectl delete pvc data",
	] {
		count(script(text)) == 1
	}
	count(found(job({"helm.sh/hook": "pre-delete"}, ["kubectl"], ["delete", "pvc", "--all"]))) == 1
}

test_what_deletes_no_claims_passes if {
	every text in [
		"kubectl delete secret pvc",
		"kubectl delete deploy -n pvc web",
		"kubectl delete -f pvc",
		"kubectl get pvc",
		"kubectl delete pvc --all --dry-run=client",
		"echo kubectl delete pvc data",
		"# kubectl delete pvc data\ntrue # kubectl delete pvc",
		"kubectl exec pg-0 -- sh -c delete pvc",
		"kubectl delete $KIND data",
		"kubectl get jobs -o name | xargs kubectl delete",
		"kubectl get pvc -o name | xargs -n1 kubectl delete secret",
	] {
		script(text) == set()
	}
}

test_each_event_has_its_moment if {
	every annotations, when in {
		{"helm.sh/hook": "pre-upgrade"}: "Helm runs Job cleanup at every upgrade",
		{"helm.sh/hook": "post-delete, pre-rollback"}: "Helm runs Job cleanup at every rollback",
		{"helm.sh/hook": "pre-install"}: "Helm runs Job cleanup at every installation",
		{"argocd.argoproj.io/hook": "PreSync"}: "Argo CD runs Job cleanup at every sync",
		{"argocd.argoproj.io/hook": "SyncFail"}: "Argo CD runs Job cleanup when a sync fails",
		{"argocd.argoproj.io/hook": "PostDelete"}: "Argo CD runs Job cleanup when the application is deleted",
	} {
		some v in found(job(annotations, ["kubectl", "delete", "pvc", "data"], []))
		startswith(v.msg, when)
	}
	every annotations in [{}, {"helm.sh/hook": "test"}, {"argocd.argoproj.io/hook": "Skip"}] {
		found(job(annotations, ["kubectl", "delete", "pvc", "data"], [])) == set()
	}
}

test_scripts_of_config_maps_are_read if {
	files := [
		{"path": "/scripts/readme", "text": "kubectl delete pvc data"},
		{"path": "/scripts/clean.sh", "text": "set -e\nkubectl delete pvc data\n"},
	]
	count(found(mounted(["/scripts/clean.sh"], files))) == 1
	found(mounted(["/scripts/other.sh"], files)) == set()
}

mounted(args, files) := {"workload": {
	"kind": "Job",
	"name": "cleanup",
	"annotations": {"helm.sh/hook": "post-delete"},
	"containers": [{"name": "main", "path": container, "command": ["sh"], "args": args, "files": files}],
}}
