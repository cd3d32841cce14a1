package stategate.capacity.postgres_shm_size_test

import data.stategate.capacity.postgres_shm_size as policy

gi := 1073741824

found(engine, memory, args, mounts) := violations if {
	violations := policy.violation with input as {
		"workload": {"containers": [{
			"name": "db",
			"role": "main",
			"engine": engine,
			"command": [],
			"args": args,
			"limits": {"memory": memory},
			"mounts": [{"mount_path": path} | some path in mounts],
			"path": ["spec", "containers", 0],
		}]},
		"parameters": {"min_memory": 8 * gi},
	}
}

test_much_memory if {
	some v in found("postgres", 8 * gi, [], ["/data"])
	startswith(v.msg, "container db has 64 MiB of /dev/shm")
	contains(v.fix, "{medium: Memory, sizeLimit: 1Gi} at /dev/shm")
	found("postgres", 4 * gi, [], ["/data"]) == set()
	found("mysql", 8 * gi, [], ["/data"]) == set()
}

test_settings_that_need_it if {
	count(found("postgres", gi, ["-c", "max_parallel_workers_per_gather=4"], [])) == 1
	count(found("postgres", gi, ["-c", "work_mem=64MB"], [])) == 1
	count(found("postgres", gi, ["-c", "maintenance_work_mem=1GB"], [])) == 1
	found("postgres", gi, ["-c", "work_mem=16MB"], []) == set()
}

test_a_volume_is_enough if {
	found("postgres", 8 * gi, [], ["/data", "/dev/shm"]) == set()
	found("postgres", 8 * gi, [], ["/dev/shm/"]) == set()
}

test_not_used if {
	found("postgres", 8 * gi, ["-c", "dynamic_shared_memory_type=mmap"], []) == set()
	found("postgres", 8 * gi, ["-c", "max_parallel_workers_per_gather=0"], []) == set()
}
