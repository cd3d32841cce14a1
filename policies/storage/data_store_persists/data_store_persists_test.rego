package stategate.storage.data_store_persists_test

import data.stategate.storage.data_store_persists as policy

request(name, volatile, args) := {"workload": {
	"engine": {"name": name, "container": "db", "volatile": volatile},
	"containers": [{"name": "db", "path": ["c", 0], "command": [], "args": args}],
}}

found(document) := violations if violations := policy.violation with input as document

test_development_mode_fails if {
	some v in found(request("vault", true, ["server", "-dev"]))
	v.msg == "vault keeps everything in memory (-dev): a restart loses every secret"
	startswith(v.fix, "Copy the secrets out first")
	v.path == ["c", 0]
}

test_so_does_what_the_image_runs_by_itself if {
	every name, text in {"vault": "server -dev", "consul": "agent -dev"} {
		some v in found(request(name, true, []))
		contains(v.msg, sprintf("without arguments, its image runs %s", [text]))
	}
}

test_replicas_without_persistence_fail if {
	some v in found(request("redis", true, ["--replicaof", "a", "1"]))
	contains(v.msg, "neither dump nor append-only file")
	contains(v.fix, "stategate.io/data-durability: cache")
}

test_object_store_in_memory_fails if {
	every args in [[], ["influxdb3", "serve", "--object-store", "memory"]] {
		some v in found(request("influxdb", true, args))
		v.msg == "influxdb keeps everything in memory (its object store is memory): a restart loses all of it"
		startswith(v.fix, "Query out of it what you need")
	}
}

test_a_store_that_keeps_its_data_passes if found(request("vault", false, ["server", "-config=/c.hcl"])) == set()

test_script_that_starts_vault_is_changed_in_place if {
	some v in found(request("vault", true, ["exec vault server -dev -dev-root-token-id=x"]))
	contains(v.fix, "replace -dev and its -dev-… flags in its script by -config=FILE")
	some w in found(request("vault", true, []))
	contains(w.fix, "start it with args [server, -config=FILE]")
}

# Without -client, nobody outside of the pod reaches it.
test_consul_that_keeps_its_data_still_answers_clients if {
	some v in found(request("consul", true, ["agent", "-dev", "-client", "0.0.0.0"]))
	contains(v.fix, "args [agent, -server, -client=0.0.0.0, -bootstrap-expect=N]")
	endswith(v.fix, "run consul snapshot restore")
}

test_each_store_has_its_own_way_out if {
	some v in found(request("cockroach", true, ["start-single-node", "--store=type=mem,size=1GiB"]))
	v.msg == "cockroach keeps everything in memory (its store is of the type mem): a restart loses all of it"
	contains(v.fix, "BACKUP INTO")
	contains(v.fix, "then set --store=path=DIRECTORY, with its data directory on a volume, and run RESTORE")
	some w in found(request("mongodb", true, ["--storageEngine=inMemory"]))
	contains(w.msg, "(its storage engine writes no files)")
	contains(w.fix, "then take --storageEngine out, with its data directory on a volume, and")
	not contains(w.fix, "redis")
	some x in found(request("vault", true, ["server", "-config=/c.hcl"]))
	contains(x.msg, "(its storage is inmem)")
	some y in found(request("other", true, ["x"]))
	contains(y.msg, "(as it is told to)")
}
