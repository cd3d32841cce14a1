package stategate.capacity.emptydir_size_limit_test

import data.stategate.capacity.emptydir_size_limit as policy

volume(overrides) := object.union(
	{"name": "tmp", "source": "emptyDir", "path": ["spec", "template", "spec", "volumes", 0]},
	overrides,
)

request(one, limits, dirs) := at("/var/tmp", "postgres", one, limits, dirs)

at(path, engine, one, limits, dirs) := {"workload": {
	"volumes": [one],
	"containers": [
		{"engine": engine, "limits": {}, "mounts": [{"volume": "tmp", "mount_path": path}]},
		{"engine": "", "role": "sidecar", "limits": limits, "mounts": []},
	],
	"engine": {"name": engine, "container": "db", "data_dirs": dirs},
}}

found(one) := violations if violations := policy.violation with input as request(one, {}, [])

found_at(path, engine) := violations if {
	violations := policy.violation with input as at(path, engine, volume({}), {}, [])
}

test_where_a_store_spills if {
	every path in ["/var/lib/clickhouse/tmp", "/scratch", "/var/log/mongodb/logs", "/var/cache"] {
		count(found_at(path, "clickhouse")) == 1
	}
	count(found_at("/tmp", "mysql")) == 1
}

test_small_volumes_pass if {
	every path in ["/tmp", "/run", "/var/run/postgresql", "/etc/postgresql", "/certs", "/scripts", "/docker-entrypoint-initdb.d"] {
		found_at(path, "postgres") == set()
	}
}

test_volumes_of_other_containers_pass if found_at("/var/tmp", "") == set()

test_memory_with_a_limit_passes if {
	document := request(volume({"medium": "Memory"}), {}, [])
	containers := [object.union(one, {"limits": {"memory": 1073741824}}) | some one in document.workload.containers]
	policy.violation == set() with input as object.union(document, {"workload": {"containers": containers}})
}

test_bound_passes if found(volume({"size_limit": 1073741824})) == set()

test_no_bound_fails if {
	some v in found(volume({}))
	v.msg == "emptyDir tmp has no sizeLimit: it may fill the node's disk, and get its neighbours evicted"
	v.path == ["spec", "template", "spec", "volumes", 0]
	contains(v.fix, "sizeLimit in volume tmp")
}

test_memory_fails_even_with_a_limit_for_disk if {
	limits := {"ephemeral_storage": 1073741824}
	some v in policy.violation with input as request(volume({"medium": "Memory"}), limits, [])
	contains(v.msg, "memory")
}

test_limit_for_disk_is_a_bound if {
	policy.violation == set() with input as request(volume({}), {"ephemeral_storage": 1073741824}, [])
}

test_data_is_another_policy_s_matter if {
	dir := {"dir": "/data", "container": "db", "origin": "argument", "mount": {"volume": "tmp", "source": "emptyDir"}}
	policy.violation == set() with input as request(volume({}), {}, [dir])
}

test_other_volumes_pass if {
	every source in ["configMap", "volumeClaimTemplate", "hostPath"] {
		found(volume({"source": source})) == set()
	}
}

below_the_data(path) := {"workload": {
	"volumes": [volume({})],
	"containers": [{
		"name": "db",
		"engine": "postgres",
		"limits": {},
		"mounts": [
			{"volume": "data", "mount_path": "/data"},
			{"volume": "tmp", "mount_path": path},
		],
	}],
	"engine": {"data_dirs": [{
		"dir": "/data",
		"container": "db",
		"origin": "argument",
		"mount": {"volume": "data", "source": "volumeClaimTemplate"},
	}]},
}}

test_a_part_of_the_data_is_another_policy_s_matter if {
	policy.violation == set() with input as below_the_data("/data/pg_wal")
}

test_scratch_space_below_the_data_needs_a_bound if {
	count(policy.violation) == 1 with input as below_the_data("/data/tmp")
}

test_shared_memory_and_accounts_pass if {
	every path in ["/dev/shm", "/etc/valkey", "/run/secrets/keys"] {
		policy.violation == set() with input as at(path, "postgres", volume({"medium": "Memory"}), {}, [])
	}
}

test_sockets_and_scripts_in_memory_pass if {
	every path in ["/docker-entrypoint-initdb.d", "/var/run/postgresql"] {
		policy.violation == set() with input as at(path, "postgres", volume({"medium": "Memory"}), {}, [])
	}
	count(policy.violation) == 1 with input as at("/srv", "postgres", volume({"medium": "Memory"}), {}, [])
}

test_scratch_of_bitnami_passes if {
	found_at("/opt/bitnami/kafka/logs", "kafka") == set()
	found_at("/opt/bitnami/postgresql/tmp", "postgres") == set()
	# Sorts and ALTER TABLE spill there.
	count(found_at("/opt/bitnami/mariadb/tmp", "mysql")) == 1
}

test_sockets_in_memory_pass if {
	policy.violation == set() with input as at("/tmp", "mongodb", volume({"medium": "Memory"}), {}, [])
	count(policy.violation) == 1 with input as at("/tmp", "mysql", volume({"medium": "Memory"}), {}, [])
}
