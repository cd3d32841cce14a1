package stategate.lib.stakes_test

import data.stategate.lib.stakes

claim := {"name": "data-pg-0", "phase": "Bound", "volume_name": "pv-1", "size_text": "20Gi"}

test_a_named_volume_counts_unless_it_is_lost if {
	stakes.bound(claim)
	stakes.bound({"volume_name": "pv-1"})
	not stakes.bound({"volume_name": "pv-1", "phase": "Lost"})
	not stakes.bound({"phase": "Pending"})
}

volumes(reclaim_policy) := {"pvs": [{"name": "pv-1", "reclaim_policy": reclaim_policy}]}

test_the_disk_follows_its_reclaim_policy if {
	stakes.fate(claim) == "the disk is erased (reclaim policy Delete)" with input.related as volumes("Delete")
	stakes.fate(claim) == "the disk stays (reclaim policy Retain)" with input.related as volumes("Retain")
	stakes.fate(claim) == "the disk is erased unless its reclaim policy is Retain" with input.related as {}
}

test_the_copy_is_known_absent_or_not_known if {
	taken := {"data-pg-0": {"name": "nightly", "taken": "2025-12-31T01:00:00Z"}}
	stakes.copy(claim, "; ") == "; the newest usable snapshot is nightly of 2025-12-31T01:00:00Z" with input.related as {"claim_snapshots": taken}
	stakes.copy(claim, ", ") == ", no usable VolumeSnapshot of it exists" with input.related as {"claim_snapshots": {}}
	stakes.copy(claim, "; ") == "" with input.related as {}
}

test_a_list_names_size_disk_and_copy if {
	text := stakes.list([claim]) with input.related as volumes("Retain")
	text == "data-pg-0 (20Gi): the disk stays (reclaim policy Retain)"
	unsized := stakes.list([object.union(claim, {"size_text": ""})]) with input.related as volumes("Retain")
	startswith(unsized, "data-pg-0: ")
}

test_disks_are_kept_by_their_policy if {
	one := stakes.keep([claim]) with input.related as volumes("Delete")
	one == `to keep the disks: kubectl patch pv pv-1 -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`
	kept := stakes.keep([claim]) with input.related as volumes("Retain")
	kept == "the disks stay"
	unknown := stakes.keep([claim]) with input.related as {}
	startswith(unknown, "to keep the disks, set persistentVolumeReclaimPolicy: Retain")
}

test_numbers if {
	stakes.claims_in_words([1]) == "1 bound claim"
	stakes.claims_in_words([1, 2]) == "2 bound claims"
}
