package stategate.lib.confirm_test

import data.stategate.lib.confirm

key := "stategate.io/confirm-scale"

now := "2026-01-01T00:00:00Z"

view(annotations) := {"name": "pg", "namespace": "shop", "annotations": annotations, "confirmed_at": {}}

set_at(annotations, time) := object.union(view(annotations), {"confirmed_at": {key: time}})

lacks(annotations) := text if text := confirm.missing(view(annotations), key, "5->3") with input.now as now

meant(annotations) if not is_string(object.get({"it": lack | lack := lacks(annotations)}, "it", null))

test_nothing_said_is_no_confirmation if lacks({}) == "nobody has confirmed it"

test_the_very_step_confirms if meant({key: "5->3"})

test_another_step_does_not if {
	lacks({key: "5->4"}) == "the confirmation says 5->4"
	contains(lacks({key: "true"}), "says true")
	contains(lacks({key: ""}), "says ")
}

test_it_counts_until_its_time if {
	meant({key: "5->3", confirm.deadline: "2026-01-01T00:30:00Z"})
	contains(lacks({key: "5->3", confirm.deadline: "2025-12-31T23:59:59Z"}), "has run out")
}

test_a_time_that_cannot_be_read_does_not_count if {
	every until in ["tomorrow", "2026-13", "2026-01-01T12:00:00+02:00", "9999"] {
		contains(lacks({key: "5->3", confirm.deadline: until}), "not of the form")
	}
}

test_command_is_what_to_type if {
	confirm.command("statefulset", view({}), key, "5->3") == concat(" ", [
		"kubectl annotate statefulset pg -n shop --overwrite",
		"stategate.io/confirm-scale='5->3'",
	])
}

test_command_takes_an_old_deadline_away if {
	endswith(confirm.command("pvc", view({confirm.deadline: "x"}), key, "y"), "='y' stategate.io/confirm-until-")
}

test_command_for_a_cluster_scoped_object if {
	volume := {"name": "pv-1", "namespace": "", "annotations": {}}
	startswith(confirm.command("pv", volume, key, "pv-1"), "kubectl annotate pv pv-1 --overwrite")
}

test_it_counts_for_an_hour if {
	lack_at("2026-01-01T00:00:00Z") == ""
	lack_at("2025-12-31T23:00:00Z") == ""
	contains(lack_at("2025-12-31T22:59:59Z"), "confirmed at 2025-12-31T22:59:59Z")
}

lack_at(time) := text if {
	text := confirm.missing(set_at({key: "5->3"}, time), key, "5->3") with input.now as now
} else := ""

test_its_own_end_counts_instead if {
	until := {key: "5->3", confirm.deadline: "2026-01-01T00:30:00Z"}
	not confirm.missing(set_at(until, "2025-01-01T00:00:00Z"), key, "5->3") with input.now as now
}

test_command_renews_an_old_one if {
	command := confirm.command("statefulset", set_at({key: "5->3"}, "2025-01-01T00:00:00Z"), key, "5->3") with input.now as now
	startswith(command, "kubectl annotate statefulset pg -n shop stategate.io/confirm-scale- && kubectl annotate")
}
