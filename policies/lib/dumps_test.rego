package stategate.lib.dumps_test

import data.stategate.lib.dumps

workload(kind, name, env) := {"workload": {
	"kind": kind,
	"name": "pg",
	"namespace": "shop",
	"engine": {"name": name, "container": "db"},
	"containers": [{"name": "db", "env": env}],
}}

said(document) := text if text := dumps.save with input as document

test_command_names_the_workload if {
	found := said(workload("StatefulSet", "postgres", []))
	startswith(found, "stop the clients, then kubectl exec -n shop statefulset/pg -c db -- pg_dumpall -U postgres > dump.sql;")
	here := object.union(workload("Deployment", "postgres", []), {"workload": {"namespace": ""}})
	startswith(said(here), "stop the clients, then kubectl exec deployment/pg -c db -- pg_dumpall")
	several := object.union(workload("StatefulSet", "postgres", []), {"workload": {"replicas": 3}})
	startswith(said(several), "for each of the 3 pods: stop the clients, then kubectl exec -n shop pg-N -c db")
	contains(said(workload("DaemonSet", "postgres", [])), "for the pod of each node: stop the clients, then kubectl exec -n shop POD")
}

test_user_of_the_manifest if {
	contains(said(workload("Pod", "postgres", [{"name": "POSTGRES_USER", "value": "app"}])), "-U app")
	contains(said(workload("Pod", "postgres", [{"name": "POSTGRES_USER", "from": "secretKeyRef"}])), "-U USER")
}

test_other_stores_have_their_tools if {
	said(workload("StatefulSet", "etcd", [])) == "etcdctl snapshot save from outside of the pod, through kubectl port-forward"
	said(workload("CronJob", "postgres", [])) == "pg_dumpall"
	contains(dumps.with_tool("tempo"), "which writes to its object store")
	contains(dumps.with_tool("questdb"), "its own backup tool")
}

test_what_has_no_dump_is_not_told_to_load_one if {
	some name, text in {
		"minio": "mc mirror",
		"vault": "vault operator raft snapshot restore -force",
		"consul": "run consul snapshot restore",
		"prometheus": "put the files there before it starts",
		"tempo": "put copied files there before it starts",
		"questdb": "bring the copy back with its own tools",
	}
	back := dumps.back with input.workload.engine.name as name
	contains(back, text)
}

test_a_dump_is_loaded if dumps.back == "load the dump" with input.workload.engine.name as "mysql"
