package stategate.lib.meant_volumes_test

import data.stategate.lib.meant_volumes

request(origin, spec, related) := {
	"workload": {"claims": [{"name": "c", "origin": origin, "size": 20}]},
	"review": {"object": {"spec": spec}},
	"related": related,
}

names(document) := found if {
	volumes := meant_volumes.meant with input as document
	found := {volume.name | some volume in volumes}
}

free(capacity) := {"name": "free", "capacity": capacity, "labels": {"app": "ops"}}

test_named_or_reserved if {
	names(request("object", {}, {"pvs": [{"name": "own"}]})) == {"own"}
	names(request("template", {}, {"pvs": [{"name": "own"}]})) == set()
}

test_of_the_very_size_may_be_meant_for_another if {
	names(request("object", {}, {"free_volumes": [free(20)]})) == set()
	same := meant_volumes.of_its_size with input as request("object", {}, {"free_volumes": [free(20), free(50)]})
	same == {free(20)}
	selecting := request("object", {"selector": {"matchLabels": {"app": "web"}}}, {"free_volumes": [free(20)]})
	meant_volumes.of_its_size == set() with input as selecting
}

test_selected if {
	names(request("object", {"selector": {"matchLabels": {"app": "ops"}}}, {"free_volumes": [free(50)]})) == {"free"}
	names(request("object", {"selector": {"matchLabels": {"app": "web"}}}, {"free_volumes": [free(20)]})) == set()
}
