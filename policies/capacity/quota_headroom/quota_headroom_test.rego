package stategate.capacity.quota_headroom_test

import data.stategate.capacity.quota_headroom as policy

gib := 1073741824

made(numbers) := [{"name": sprintf("data-pg-%d", [i]), "template": "data", "ordinal": i} | some i in numbers]

request(replicas, pvcs, hard, used) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "pg",
		"replicas": replicas,
		"claims": [
			{"name": "data", "origin": "template", "size": 50 * gib, "storage_class": "fast"},
			{"name": "shared", "origin": "reference", "storage_class": ""},
		],
	},
	"related": {"pvcs": pvcs, "quotas": [{"name": "storage", "hard": hard, "used": used}]},
}

storage(number) := {"requests.storage": number * gib}

of_class(number) := {"fast.storageclass.storage.k8s.io/requests.storage": number * gib}

found(document) := violations if violations := policy.violation with input as document

test_enough_room_passes if found(request(3, [], storage(500), storage(100))) == set()

test_just_enough_room_passes if found(request(3, [], storage(250), storage(100))) == set()

test_too_little_room_fails if {
	some v in found(request(3, [], storage(200), storage(75)))
	v.msg == "StatefulSet pg needs 150 GiB of requests.storage, but ResourceQuota storage has 125 GiB left: its last replicas get no claim and never start"
	v.fix == "Raise requests.storage of ResourceQuota storage by 25 GiB, or ask for less"
}

test_quota_that_is_overdrawn_has_nothing_left if {
	some v in found(request(1, [], storage(10), storage(20)))
	contains(v.msg, "has 0 GiB left")
}

test_claims_that_exist_are_in_the_quota_already if {
	found(request(3, made([0, 1, 2]), storage(150), storage(150))) == set()
	some v in found(request(5, made([0, 1, 2]), storage(200), storage(150)))
	contains(v.msg, "needs 100 GiB of requests.storage, but ResourceQuota storage has 50 GiB left")
}

test_quota_of_its_class_counts if {
	count(found(request(3, [], of_class(100), of_class(0)))) == 1
	found(request(3, [], {"slow.storageclass.storage.k8s.io/requests.storage": 0}, {})) == set()
}

test_class_by_default_counts if {
	document := request(3, [], of_class(100), of_class(0))
	claim := {"name": "data", "origin": "template", "size": 50 * gib, "storage_class": ""}
	nameless := object.union(document, {"workload": {"claims": [claim]}})
	found(nameless) == set()
	resolved := object.union(nameless, {"related": {"claim_classes": {"data": {"name": "fast"}}}})
	count(found(resolved)) == 1
}

test_number_of_claims_counts if {
	some v in found(request(3, [], {"persistentvolumeclaims": 10}, {"persistentvolumeclaims": 8}))
	contains(v.msg, "needs 3 claims of persistentvolumeclaims, but ResourceQuota storage has 2 claims left")
	found(request(3, [], {"persistentvolumeclaims": 10}, {"persistentvolumeclaims": 7})) == set()
}

test_other_keys_and_no_quota_pass if {
	found(request(3, [], {"requests.cpu": 0}, {})) == set()
	found(object.union(request(3, [], {}, {}), {"related": {"quotas": []}})) == set()
}

test_unknown_claims_tell_nothing if {
	document := request(3, [], storage(10), storage(0))
	related := object.remove(document.related, ["pvcs"])
	found({"workload": document.workload, "related": related}) == set()
}
