package stategate.{category}.{policy}_test

import data.stategate.{category}.{policy} as policy

# Only the part of the input that the rule reads. TODO: what yours reads.
request(overrides) := {
	"workload": object.union({"kind": "StatefulSet", "name": "pg", "replicas": 3}, overrides),
	"parameters": {},
}

found(document) := violations if violations := policy.violation with input as document

test_good_passes if found(request({})) == set()

test_bad_is_found if {
	some v in found(request({"replicas": 1})) # TODO: the fault
	v.path == ["spec", "replicas"]
}
