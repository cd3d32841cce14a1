package stategate.lib.image_users_test

import data.stategate.lib.image_users

pods(context, containers) := {
	"review": {"object": {"spec": {"template": {"spec": {"securityContext": context}}}}},
	"workload": {"pods": {"spec_path": ["spec", "template", "spec"]}, "containers": containers},
}

of_image(repository) := {"name": "db", "engine": "x", "image": {"repository": repository}}

group(document) := id if id := image_users.group with input as document

test_images_that_are_not_root_need_a_group if {
	group(pods({}, [of_image("prom/prometheus")])) == 65534
	group(pods({}, [of_image("bitnamilegacy/valkey")])) == 1001
	group(pods({"runAsUser": 999}, [of_image("library/postgres")])) == 999
	group(pods({}, [object.union(of_image("library/redis"), {"security": {"runAsUser": 70}})])) == 70
}

test_root_and_those_that_have_one_need_none if {
	not group(pods({}, [of_image("library/postgres")]))
	not group(pods({"fsGroup": 2000}, [of_image("prom/prometheus")]))
	not group(pods({"runAsUser": 0}, [of_image("prom/prometheus")]))
	not group(pods({}, [object.union(of_image("prom/prometheus"), {"engine": ""})]))
	chown := {"name": "prepare", "command": ["chown", "-R", "65534", "/prometheus"]}
	not group(pods({}, [of_image("prom/prometheus"), chown]))
}
