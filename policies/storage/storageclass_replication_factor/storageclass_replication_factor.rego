# METADATA
# title: Storage classes keep more than one copy
# description: >-
#   Storage built from the nodes' own disks is as safe as the number of copies it keeps: with one copy, a lost node
#   takes the data with it. This policy checks drivers that keep copies on nodes and take their number from a
#   parameter of the class: Longhorn (3 by default), Portworx, OpenEBS Mayastor, and the drivers in
#   copies_parameters. With zone_redundant, disks of Google Cloud and Azure must also be in more than one zone. One
#   copy is right for data stores that replicate themselves: declare that with the annotation
#   stategate.io/replication: application. Pools that keep the copies themselves, such as Ceph's, do not show it in
#   the class and are not checked.
# related_resources:
# - ref: https://longhorn.io/docs/latest/references/storage-class-parameters/
# - ref: https://docs.portworx.com/portworx-enterprise/reference/storageclass
# - ref: https://openebs.io/docs/user-guides/replicated-storage-user-guide/replicated-pv-mayastor/configuration/rs-create-storageclass
# custom:
#   severity: high
#   action: warn
#   match: {kinds: [StorageClass.storage.k8s.io], operations: [CREATE]}
#   parameters:
#     minimum: {type: integer, default: 2, description: The number of copies that a class must keep.}
#     copies_parameters:
#       type: map
#       of: string
#       default: {}
#       description: More drivers. From provisioner (glob) to the parameter that sets its number of copies.
#     zone_redundant: {type: boolean, default: false, description: Cloud disks must be in more than one zone.}
#   fix: >-
#     Keep two copies or more; or annotate stategate.io/replication: application if the data stores replicate
#     themselves. An existing class must be deleted and created again.
#   why: when a node or zone fails, only a copy elsewhere keeps the data available
package stategate.storage.storageclass_replication_factor

import data.stategate.lib.globs

copies_parameters := {
	"driver.longhorn.io": "numberOfReplicas",
	"pxd.portworx.com": "repl",
	"kubernetes.io/portworx-volume": "repl",
	"io.openebs.csi-mayastor": "repl",
}

# The default of a driver.
assumed := {"driver.longhorn.io": "3"}

# Parameters that put a disk into more than one zone.
zonal := {
	"pd.csi.storage.gke.io": {"names": {"replication-type"}, "value": "regional-pd", "example": "replication-type: regional-pd"},
	"disk.csi.azure.com": {"names": {"skuname", "storageaccounttype"}, "value": "*_zrs", "example": "skuName: Premium_ZRS"},
}

provisioner := input.workload.storage_class.provisioner

violation contains v if {
	some table in [copies_parameters, input.parameters.copies_parameters]
	some pattern, name in table
	globs.matches_any([pattern], provisioner)
	copies := object.get(input.workload.storage_class.parameters, name, object.get(assumed, provisioner, ""))
	not enough(copies)
	not in_chunks
	not replicated_above
	v := {
		"msg": sprintf("StorageClass %s %s: a node that is lost takes its data with it", [input.workload.name, kept(copies)]),
		"path": ["parameters", name],
		"fix": sprintf(
			"Set parameters.%s: \"%d\" or more%s; if the data stores replicate, annotate stategate.io/replication: application",
			[name, input.parameters.minimum, besides],
		),
	}
}

violation contains v if {
	input.parameters.zone_redundant
	wanted := zonal[provisioner]
	not in_zones(wanted)
	not replicated_above
	v := {
		"msg": sprintf("StorageClass %s keeps its disks in one zone: they are gone while the zone is", [input.workload.name]),
		"path": ["parameters"],
		"fix": sprintf("Set parameters.%s", [wanted.example]),
	}
}

# Longhorn spreads chunks and their parity over nodes instead, and then takes one copy only.
in_chunks if {
	input.workload.storage_class.parameters["dataLayout.mode"] == "erasureCoding"
	input.workload.storage_class.parameters["dataLayout.parityChunks"] != "0"
}

# Longhorn rejects more than one copy with strict-local.
besides := " and dataLocality: best-effort" if {
	input.workload.storage_class.parameters.dataLocality == "strict-local"
} else := ""

enough(copies) if {
	regex.match(`^[0-9]{1,3}$`, copies)
	to_number(copies) >= input.parameters.minimum
}

kept(copies) := "does not say how many copies it keeps" if {
	copies == ""
} else := "keeps 1 copy of each volume" if {
	copies == "1"
} else := sprintf("keeps %s copies of each volume", [copies])

in_zones(wanted) if {
	some name, value in input.workload.storage_class.parameters
	lower(name) in wanted.names
	globs.matches_any([wanted.value], lower(value))
}

replicated_above if input.workload.annotations["stategate.io/replication"] == "application"
