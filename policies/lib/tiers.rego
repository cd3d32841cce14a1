# The tier of the Namespace, or the policy's parameter default_tier if it has no label.
package stategate.lib.tiers

tier := object.get(input.workload, "tier", input.parameters.default_tier)
