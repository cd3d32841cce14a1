package stategate.lib.tiers_test

import data.stategate.lib.tiers

test_tier_of_the_namespace_or_the_default if {
	tiers.tier == "dev" with input as {"workload": {"tier": "dev"}, "parameters": {"default_tier": "prod"}}
	tiers.tier == "prod" with input as {"workload": {}, "parameters": {"default_tier": "prod"}}
}
