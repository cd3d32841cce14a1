# How many evictions a PodDisruptionBudget allows. Percentages are rounded up, as the API does.
package stategate.lib.budgets

# How many of `pods` may be evicted at once.
allowed(budget, pods) := amount(budget.max_unavailable, pods)

allowed(budget, pods) := pods - amount(budget.min_available, pods)

# Without either field, the disruption controller expects no pods, and then allows no eviction.
allowed(budget, _) := 0 if says_nothing(budget)

says_nothing(budget) if {
	not budget.min_available
	not budget.max_unavailable
}

amount(value, _) := value if is_number(value)

amount(value, pods) := ceil((pods * to_number(trim_suffix(value, "%"))) / 100) if {
	is_string(value)
	regex.match(`^[0-9]+%$`, value)
}

# The budget in words.
text(budget) := sprintf("maxUnavailable %v", [budget.max_unavailable])

text(budget) := sprintf("minAvailable %v", [budget.min_available])

text(budget) := "neither minAvailable nor maxUnavailable" if says_nothing(budget)

field(budget) := "maxUnavailable" if {
	not budget.min_available
} else := "minAvailable"

# What to set instead. The API server refuses a budget that sets both fields.
remedy(budget) := "maxUnavailable: 1 in place of minAvailable" if {
	budget.min_available
} else := "maxUnavailable: 1"

# The pods of all workloads that the budget under review selects; undefined if the replicas of one of them are unknown.
selected := sum([workload.replicas | some workload in input.related.workloads]) if {
	every workload in input.related.workloads {
		workload.replicas >= 0
	}
}

# The pods that a budget of the workload under review counts: minAvailable applies to the pods of all workloads that
# it selects. Undefined if not all of them are known.
counted(budget) := budget.pods if budget.min_available

counted(budget) := input.workload.replicas if not budget.min_available

# What `stategate fix` writes into a budget.
operations(budget) := {
	{"op": "remove", "path": array.concat(budget.path, ["minAvailable"])},
	{"op": "add", "path": array.concat(budget.path, ["maxUnavailable"]), "value": 1},
}
