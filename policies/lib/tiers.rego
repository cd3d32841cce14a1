# The tier of the Namespace, as a policy's parameter default_tier has it for one without a label.
package stategate.lib.tiers

tier := object.get(input.workload, "tier", input.parameters.default_tier)
