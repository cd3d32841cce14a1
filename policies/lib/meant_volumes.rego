# The PersistentVolumes that the claim under review is meant for. Policies that import this need PersistentVolume in
# their inventory.
package stategate.lib.meant_volumes

# Named by the claim, or reserved for it.
meant contains volume if {
	claim_itself
	some volume in input.related.pvs
}

# Free, and selected by its labels.
meant contains volume if {
	some volume in input.related.free_volumes
	selected(volume)
}

# Free, and of the very size: it may as well be meant for another claim.
of_its_size contains volume if {
	not input.review.object.spec.selector
	some volume in input.related.free_volumes
	some claim in input.workload.claims
	volume.capacity == claim.size
}

claim_itself if {
	some claim in input.workload.claims
	claim.origin == "object"
}

selected(volume) if {
	labels := input.review.object.spec.selector.matchLabels
	count(labels) > 0
	every key, value in labels {
		volume.labels[key] == value
	}
}
