package stategate.lib.budgets_test

import data.stategate.lib.budgets

test_numbers if {
	budgets.allowed({"max_unavailable": 1}, 3) == 1
	budgets.allowed({"max_unavailable": 0}, 3) == 0
	budgets.allowed({"min_available": 2}, 3) == 1
	budgets.allowed({"min_available": 5}, 3) == -2
}

test_percentages_are_rounded_up if {
	budgets.allowed({"max_unavailable": "30%"}, 4) == 2
	budgets.allowed({"max_unavailable": "0%"}, 3) == 0
	budgets.allowed({"min_available": "90%"}, 3) == 0
	budgets.allowed({"min_available": "50%"}, 5) == 2
	budgets.allowed({"min_available": "100%"}, 29) == 0
}

test_what_is_no_amount_tells_nothing if {
	not budgets.allowed({"max_unavailable": "one"}, 3)
}

test_text if {
	budgets.text({"max_unavailable": "30%"}) == "maxUnavailable 30%"
	budgets.text({"min_available": 2}) == "minAvailable 2"
	budgets.field({"max_unavailable": 0}) == "maxUnavailable"
	budgets.field({"min_available": 0}) == "minAvailable"
}

test_selected_pods_are_counted if {
	budgets.selected == 5 with input as {"related": {"workloads": [{"replicas": 3}, {"replicas": 2}]}}
	not budgets.selected with input as {"related": {"workloads": [{"replicas": 3}, {"kind": "DaemonSet"}]}}
}

test_minimum_counts_the_pods_of_all_workloads if {
	workload := {"workload": {"replicas": 3}}
	budgets.counted({"max_unavailable": 1, "pods": 9}) == 3 with input as workload
	budgets.counted({"min_available": 3, "pods": 9}) == 9 with input as workload
	not budgets.counted({"min_available": 0}) with input as {"workload": {}}
}

test_a_budget_that_says_nothing_allows_nothing if {
	budgets.allowed({}, 3) == 0
	budgets.text({}) == "neither minAvailable nor maxUnavailable"
	budgets.allowed({"max_unavailable": 0}, 3) == 0
	budgets.allowed({"min_available": 0}, 3) == 3
}

test_remedy_never_leaves_both if {
	budgets.remedy({"min_available": 2}) == "maxUnavailable: 1 in place of minAvailable"
	budgets.remedy({"max_unavailable": 2}) == "maxUnavailable: 1"
	budgets.remedy({}) == "maxUnavailable: 1"
}
