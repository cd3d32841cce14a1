package stategate.storage.storageclass_replication_factor_test

import data.stategate.storage.storageclass_replication_factor as policy

defaults := {"minimum": 2, "copies_parameters": {}, "zone_redundant": false}

class(provisioner, parameters) := {
	"workload": {
		"kind": "StorageClass",
		"name": "replicated",
		"annotations": {},
		"storage_class": {"provisioner": provisioner, "parameters": parameters},
	},
	"parameters": defaults,
}

told(document, parameters) := object.union(document, {"parameters": parameters})

found(document) := violations if violations := policy.violation with input as document

test_three_copies_pass if found(class("driver.longhorn.io", {"numberOfReplicas": "3"})) == set()

test_longhorn_keeps_three_unless_told if found(class("driver.longhorn.io", {})) == set()

test_one_copy_fails if {
	some v in found(class("driver.longhorn.io", {"numberOfReplicas": "1"}))
	v.msg == "StorageClass replicated keeps 1 copy of each volume: a node that is lost takes its data with it"
	v.path == ["parameters", "numberOfReplicas"]
	contains(v.fix, "Set parameters.numberOfReplicas: \"2\" or more")
}

test_other_drivers_must_say_it if {
	every provisioner in ["pxd.portworx.com", "kubernetes.io/portworx-volume", "io.openebs.csi-mayastor"] {
		found(class(provisioner, {"repl": "2"})) == set()
		some v in found(class(provisioner, {}))
		contains(v.msg, "does not say how many copies it keeps")
	}
}

test_what_is_no_number_fails if {
	some v in found(class("io.openebs.csi-mayastor", {"repl": "all"}))
	contains(v.msg, "keeps all copies")
}

test_minimum_is_a_parameter if {
	document := class("io.openebs.csi-mayastor", {"repl": "2"})
	some v in found(told(document, {"minimum": 3}))
	contains(v.msg, "keeps 2 copies")
	found(told(class("io.openebs.csi-mayastor", {"repl": "1"}), {"minimum": 1})) == set()
}

test_data_stores_that_replicate_need_one_copy if {
	document := class("driver.longhorn.io", {"numberOfReplicas": "1", "dataLocality": "strict-local"})
	annotated(document, "application") == set()
	count(annotated(document, "none")) == 1
}

annotated(document, value) := found(object.union(document, {"workload": {"annotations": {"stategate.io/replication": value}}}))

test_driver_of_the_parameters if {
	extra := {"copies_parameters": {"linstor.csi.linbit.com": "autoPlace"}}
	found(told(class("linstor.csi.linbit.com", {"autoPlace": "2"}), extra)) == set()
	count(found(told(class("linstor.csi.linbit.com", {"autoPlace": "1"}), extra))) == 1
}

test_other_drivers_are_not_judged if found(class("rook-ceph.rbd.csi.ceph.com", {"pool": "replicapool"})) == set()

test_zones_are_asked_for_only_if_told if {
	zones := {"zone_redundant": true}
	found(class("pd.csi.storage.gke.io", {"type": "pd-ssd"})) == set()
	some v in found(told(class("pd.csi.storage.gke.io", {"type": "pd-ssd"}), zones))
	contains(v.msg, "in one zone")
	v.fix == "Set parameters.replication-type: regional-pd"
	found(told(class("pd.csi.storage.gke.io", {"replication-type": "regional-pd"}), zones)) == set()
	found(told(class("disk.csi.azure.com", {"skuName": "Premium_ZRS"}), zones)) == set()
	count(found(told(class("disk.csi.azure.com", {"skuName": "Premium_LRS"}), zones))) == 1
	found(told(class("ebs.csi.aws.com", {"type": "gp3"}), zones)) == set()
}

test_strict_local_takes_one_copy_only if {
	some v in found(class("driver.longhorn.io", {"numberOfReplicas": "1", "dataLocality": "strict-local"}))
	contains(v.fix, "\"2\" or more and dataLocality: best-effort; if")
}

test_parity_stands_for_copies if {
	chunks := {"numberOfReplicas": "1", "dataLayout.mode": "erasureCoding", "dataLayout.parityChunks": "2"}
	found(class("driver.longhorn.io", chunks)) == set()
	count(found(class("driver.longhorn.io", object.union(chunks, {"dataLayout.parityChunks": "0"})))) == 1
}
