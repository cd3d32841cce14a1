# METADATA
# title: Traffic to network file systems is encrypted
# description: >-
#   Every read and write of a network file system crosses the network, and NFS sends it in the clear. The EFS driver
#   encrypts unless a volume turns that off; this policy flags such volumes. Add other sources and drivers without
#   encryption, such as nfs or nfs.csi.k8s.io, to plain_sources: only you know whether the network below them is
#   encrypted.
# related_resources:
# - ref: https://github.com/kubernetes-sigs/aws-efs-csi-driver/blob/master/examples/kubernetes/encryption_in_transit/README.md
# custom:
#   severity: low
#   action: warn
#   match: {kinds: [PersistentVolume]}
#   parameters:
#     plain_sources:
#       type: list
#       of: string
#       default: []
#       description: Sources and drivers (globs) of volumes whose traffic is not encrypted.
#   fix: Let the driver encrypt, or use storage whose traffic is encrypted.
#   why: anyone who can capture the traffic reads every file that the pods read or write
package stategate.encryption.encryption_nfs_in_transit

import data.stategate.lib.globs

volume := input.workload.persistent_volume

violation contains v if {
	volume.driver == "efs.csi.aws.com"
	lower(volume.volume_attributes.encryptInTransit) in {"false", "f", "0"}
	v := {
		"msg": sprintf("PersistentVolume %s turns encryption off: its files go over the network in the clear", [input.workload.name]),
		"path": ["spec", "csi", "volumeAttributes", "encryptInTransit"],
		"fix": "Leave encryptInTransit out: the driver encrypts unless it is told not to",
	}
}

violation contains v if {
	some source in sources
	globs.matches_any(input.parameters.plain_sources, source)
	v := {
		"msg": sprintf("PersistentVolume %s is of %s: its files go over the network in the clear", [input.workload.name, source]),
		"path": ["spec", volume.source],
	}
}

sources contains source if source := volume.source

sources contains source if source := volume.driver
