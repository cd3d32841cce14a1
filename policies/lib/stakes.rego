# What becomes of volumes when their claims go, in words. Policies that import this need PersistentVolume,
# VolumeSnapshot and VolumeSnapshotClass in their inventory.
package stategate.lib.stakes

# A claim that has a volume, whatever its status says. Only a claim that is Lost has lost it.
bound(claim) if claim.phase == "Bound"

bound(claim) if {
	claim.volume_name
	object.get(claim, "phase", "Pending") != "Lost"
}

# The reclaim policy of a claim's volume; undefined if the volume is not known.
reclaim_policy(claim) := volume.reclaim_policy if {
	some volume in input.related.pvs
	volume.name == claim.volume_name
}

# What becomes of the disk behind a claim that is deleted.
fate(claim) := "the disk is erased (reclaim policy Delete)" if {
	reclaim_policy(claim) == "Delete"
} else := "the disk stays (reclaim policy Retain)" if {
	reclaim_policy(claim) == "Retain"
} else := "the disk is erased unless its reclaim policy is Retain"

# The newest copy that a claim can be restored from, after a separator; nothing if the snapshots are not known.
copy(claim, separator) := text if {
	snapshot := input.related.claim_snapshots[claim.name]
	text := sprintf("%sthe newest usable snapshot is %s%s", [separator, snapshot.name, of_time(snapshot)])
} else := sprintf("%sno usable VolumeSnapshot of it exists", [separator]) if {
	input.related.claim_snapshots
} else := ""

of_time(snapshot) := sprintf(" of %s", [snapshot.taken]) if {
	snapshot.taken
} else := ""

size(claim) := sprintf(" (%s)", [claim.size_text]) if {
	claim.size_text != ""
} else := ""

# At most five claims that go together, each with its size, its disk and its copy.
list(claims) := concat("; ", array.concat(array.slice(texts, 0, 5), more(count(texts)))) if {
	texts := sort([text |
		some claim in claims
		text := sprintf("%s%s: %s%s", [claim.name, size(claim), fate(claim), copy(claim, ", ")])
	])
}

more(number) := [sprintf("and %d more", [number - 5])] if {
	number > 5
} else := []

# One claim or several.
claims_in_words(claims) := "1 bound claim" if {
	count(claims) == 1
} else := sprintf("%d bound claims", [count(claims)])

# How to keep the disks that would be erased: with Retain, they outlive their claims.
keep(claims) := sprintf("to keep the disks: kubectl patch pv %s -p '%s'", [concat(" ", names), retain]) if {
	names := sort([claim.volume_name | some claim in claims; reclaim_policy(claim) == "Delete"])
	count(names) > 0
	count(names) <= 5
} else := "to keep the disks, set persistentVolumeReclaimPolicy: Retain on their PersistentVolumes" if {
	some claim in claims
	not retained(claim)
} else := "the disks stay"

retained(claim) if reclaim_policy(claim) == "Retain"

retain := `{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}`
