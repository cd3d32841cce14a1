# Which claims a workload writes to, and which of them hold a data store's data.
package stategate.lib.claims

import data.stategate.lib.data_dirs

# Claims that hold a data directory, or a part of it.
of_data contains claim if {
	some volume in input.workload.volumes
	volume.name in data_volumes
	some claim in input.workload.claims
	serves(claim, volume)
}

data_volumes contains name if {
	some dir in input.workload.engine.data_dirs
	name := dir.mount.volume
}

data_volumes contains name if {
	some mount in data_dirs.parts
	name := mount.volume
}

# Claims that a container writes to.
written contains claim if {
	some container in input.workload.containers
	some mount in container.mounts
	not mount.read_only
	some volume in input.workload.volumes
	volume.name == mount.volume
	some claim in input.workload.claims
	serves(claim, volume)
}

# Where containers mount the claim of this name.
mounts_of(name) := [mount |
	some volume in input.workload.volumes
	volume.claim == name
	some container in input.workload.containers
	some mount in container.mounts
	mount.volume == volume.name
]

serves(claim, volume) if {
	claim.name == volume.claim
	claim.origin == origins[volume.source]
}

origins := {"volumeClaimTemplate": "template", "persistentVolumeClaim": "reference"}
