package stategate.storage.pv_reserved_for_claim_test

import data.stategate.storage.pv_reserved_for_claim as policy

request(operation, volume, annotations) := {
	"review": {"operation": operation},
	"workload": {
		"name": "disk",
		"annotations": annotations,
		"persistent_volume": object.union({"storage_class": "manual", "source": "csi", "reclaim_policy": "Retain"}, volume),
	},
	"parameters": {"pools": ["local", "hostPath"]},
}

found(document) := violations if violations := policy.violation with input as document

test_a_disk_that_anyone_can_take_fails if {
	some v in found(request("CREATE", {}, {}))
	contains(v.msg, "any claim of class manual, in any namespace")
	contains(v.fix, "Set spec.claimRef")
	some w in found(request("UPDATE", {"storage_class": "", "phase": "Available"}, {}))
	contains(w.msg, "any claim without a class")
	startswith(w.fix, "kubectl patch pv disk")
}

test_reserved_pooled_and_provisioned_volumes_pass if {
	found(request("CREATE", {"claim": "shop/data"}, {})) == set()
	found(request("CREATE", {"source": "local"}, {})) == set()
	found(request("CREATE", {"reclaim_policy": "Recycle"}, {})) == set()
	found(request("CREATE", {}, {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"})) == set()
	found(request("UPDATE", {"phase": "Bound"}, {})) == set()
}

named(class, claim) := object.union(request("CREATE", {"storage_class": class}, {}), {"related": {"pvcs": [claim]}})

test_a_volume_that_a_claim_names_passes if {
	claim := {"volume_name": "disk", "storage_class": ""}
	found(named("", claim)) == set()
	count(found(named("", {"volume_name": "other", "storage_class": ""}))) == 1
	count(found(named("", {"volume_name": "disk", "storage_class": "gp3"}))) == 1
	count(found(named("manual", claim))) == 1
	rivals := {"related": {"pvcs": [claim, object.union(claim, {"name": "other"})]}}
	count(found(object.union(request("CREATE", {"storage_class": ""}, {}), rivals))) == 1
}

test_a_class_of_its_own_passes if found(request("CREATE", {"storage_class": "disk"}, {})) == set()

test_directory_on_each_node_passes if {
	daemons := [{"kind": "DaemonSet", "name": "a"}]
	found(directory({}, {"pvcs": [{"name": "data", "mounted_by": daemons}]})) == set()
	both := array.concat(daemons, [{"kind": "Deployment", "name": "b"}])
	some v in found(directory({}, {"pvcs": [{"name": "data", "mounted_by": both}]}))
	contains(v.fix, "if it is for a DaemonSet, mount it as hostPath in its pods instead")
	count(found(directory({}, {"pvcs": [{"name": "data", "mounted_by": []}]}))) == 1
}

of(name, class) := object.union(request("CREATE", {"storage_class": class}, {}), {"workload": {"name": name}})

test_a_class_after_its_name_passes if {
	found(of("pg-data-pv", "pg-data-storage-class")) == set()
	found(of("pg-data-pv", "pg-data")) == set()
	found(of("pg-data-volume", "pg-data-sc")) == set()
	found(of("music-pv", "music-storage-class")) == set()
	count(found(of("pg-data-pv", "pg-logs"))) == 1
	count(found(of("nfs-pv", "nfs-storage"))) == 1
	count(found(of("longhorn-pv", "longhorn"))) == 1
	count(found(of("standard-rwo-pv", "standard-rwo"))) == 1
	provisioning := {"related": {"storage_classes": {"nfs-client": {"provisioner": "k8s-sigs.io/nfs-subdir-external-provisioner"}}}}
	count(found(object.union(of("nfs-client-pv", "nfs-client"), provisioning))) == 1
}

provisioned(provisioner) := object.union(request("CREATE", {"source": "hostPath", "storage_class": "local-path"}, {}), {
	"review": {"object": {"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": []}]}}}}},
	"related": {"storage_classes": {"local-path": {"provisioner": provisioner}}},
})

test_a_directory_among_provisioned_volumes_fails if {
	some v in found(provisioned("rancher.io/local-path"))
	contains(v.msg, "any claim of class local-path")
	found(provisioned("kubernetes.io/no-provisioner")) == set()
}

having(terms) := directory({"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}, {})

test_any_node_with_a_label_that_all_have_fails if {
	exists := {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}
	one := {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["a"]}]}
	some v in found(having([exists]))
	contains(v.fix, "values: [NODE]}]}]}}, in a new PersistentVolume")
	count(found(having([exists, one]))) == 1
	found(having([one])) == set()
}

directory(spec, related) := object.union(request("CREATE", {"source": "hostPath", "claim": "shop/data"}, {}), {
	"review": {"object": {"spec": object.union({"hostPath": {"path": "/srv/pg"}}, spec)}},
	"related": related,
})

test_directory_of_any_node_fails if {
	some v in found(directory({}, {}))
	contains(v.msg, "is /srv/pg of whichever node")
	contains(v.fix, "spec.nodeAffinity: {required:")
	count(found(directory({}, {"nodes": {"count": 3}}))) == 1
}

test_directory_of_one_node_passes if {
	found(directory({"nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchFields": []}]}}}, {})) == set()
	count(found(directory({"nodeAffinity": {"required": {"nodeSelectorTerms": []}}}, {}))) == 1
	found(directory({}, {"nodes": {"count": 1}})) == set()
	made := {"workload": {"annotations": {"pv.kubernetes.io/provisioned-by": "k8s.io/minikube-hostpath"}}}
	found(object.union(directory({}, {}), made)) == set()
}
