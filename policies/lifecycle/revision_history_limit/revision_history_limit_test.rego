package stategate.lifecycle.revision_history_limit_test

import data.stategate.lifecycle.revision_history_limit as policy

request(limit) := {
	"workload": {"kind": "StatefulSet", "name": "pg", "revision_history": limit},
	"parameters": {"min": 2},
}

found(document) := violations if violations := policy.violation with input as document

test_default_passes if found(request(10)) == set()

test_two_pass if found(request(2)) == set()

test_none_fails if {
	some v in found(request(0))
	v.msg == "revisionHistoryLimit 0 of StatefulSet pg may leave no revision to roll back to"
	v.path == ["spec", "revisionHistoryLimit"]
	v.fix == "Leave revisionHistoryLimit out, or set it to at least 2"
}

test_one_fails if count(found(request(1))) == 1

test_kinds_without_revisions_pass if found(json.remove(request(0), ["workload/revision_history"])) == set()

patched(document) := patches if patches := policy.patch with input as document

test_too_few_are_raised_in_files if {
	patched(request(0)) == {{"op": "replace", "path": ["spec", "revisionHistoryLimit"], "value": 2}}
	patched(request(2)) == set()
}
