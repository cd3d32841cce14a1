package stategate.lifecycle.revision_history_limit_test

import data.stategate.lifecycle.revision_history_limit as policy

request(limit) := {
	"workload": {"kind": "StatefulSet", "name": "pg", "revision_history": limit},
	"parameters": {"min": 1},
}

found(document) := violations if violations := policy.violation with input as document

test_default_passes if found(request(10)) == set()

test_one_passes if found(request(1)) == set()

test_none_fails if {
	some v in found(request(0))
	v.msg == "revisionHistoryLimit 0 of StatefulSet pg leaves no revision to roll back to"
	v.path == ["spec", "revisionHistoryLimit"]
	v.fix == "Leave revisionHistoryLimit out, or set it to at least 1"
}

test_fewer_than_wanted_fail if {
	some v in found(object.union(request(1), {"parameters": {"min": 2}}))
	v.msg == "revisionHistoryLimit 1 of StatefulSet pg leaves fewer revisions to roll back to than the 2 that are wanted"
}

test_kinds_without_revisions_pass if found(json.remove(request(0), ["workload/revision_history"])) == set()

patched(document) := patches if patches := policy.patch with input as document

test_too_few_are_raised_in_files if {
	patched(request(0)) == {{"op": "replace", "path": ["spec", "revisionHistoryLimit"], "value": 1}}
	patched(request(2)) == set()
}
