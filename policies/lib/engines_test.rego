package stategate.lib.engines_test

import data.stategate.lib.engines

container(role, engine) := {"name": "db", "role": role, "engine": engine}

annotated(containers) := {"workload": {"engine": {"name": "postgres", "container": ""}, "containers": containers}}

test_the_image_tells if engines.of(container("main", "redis")) == "redis"

test_the_annotation_means_the_one_main_container if {
	main := container("main", "")
	containers := [container("init", ""), main, container("sidecar", "")]
	engines.of(main) == "postgres" with input as annotated(containers)
	not engines.of(container("sidecar", "")) with input as annotated(containers)
}

test_of_several_main_containers_none_is_meant if {
	main := container("main", "")
	not engines.of(main) with input as annotated([main, container("main", "")])
}

test_no_engine_no_answer if {
	main := container("main", "")
	not engines.of(main) with input as {"workload": {"containers": [main]}}
}

test_beside_those_that_keep_data_others_are_helpers if {
	mount := {"mount_path": "/data", "volume": "v", "source": "persistentVolumeClaim", "read_only": false}
	document := {"workload": {"containers": [unknown("tail", []), unknown("store", [mount]), unknown("more", [mount])]}}
	helpers := {one.name |
		some one in document.workload.containers
		engines.helper(one) with input as document
	}
	helpers == {"tail"}
	not engines.helper(unknown("tail", [])) with input as {"workload": {"containers": [unknown("tail", [])]}}
}

unknown(name, mounts) := {"name": name, "role": "main", "engine": "", "image": {"repository": "team/x"}, "mounts": mounts}
