# The PersistentVolumes that the claim under review is meant for. Policies that import this need PersistentVolume in
# their inventory.
package stategate.lib.meant_volumes

# Named by the claim, or reserved for it.
meant contains volume if {
	claim_itself
	some volume in input.related.pvs
}

# Free, and selected or of the very size.
meant contains volume if {
	some volume in input.related.free_volumes
	selected(volume)
}

claim_itself if {
	some claim in input.workload.claims
	claim.origin == "object"
}

selected(volume) if {
	labels := input.review.object.spec.selector.matchLabels
	every key, value in labels {
		volume.labels[key] == value
	}
}

selected(volume) if {
	some claim in input.workload.claims
	volume.capacity == claim.size
	not input.review.object.spec.selector
}
