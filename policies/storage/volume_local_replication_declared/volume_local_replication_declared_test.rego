package stategate.storage.volume_local_replication_declared_test

import data.stategate.storage.volume_local_replication_declared as policy

class(provisioner, mode) := {"name": "local", "provisioner": provisioner, "volume_binding_mode": mode}

request(replicas, annotations, classes) := {
	"workload": {
		"kind": "StatefulSet",
		"name": "kafka",
		"replicas": replicas,
		"annotations": annotations,
		"claims": [{"name": name, "origin": "template"} | some name, _ in classes],
		"volumes": [{"name": name, "claim": name, "source": "volumeClaimTemplate"} | some name, _ in classes],
		"containers": [{"name": "kafka", "mounts": [{"volume": name, "mount_path": "/srv", "read_only": false} | some name, _ in classes]}],
	},
	"related": {"claim_classes": classes},
	"parameters": {"local_provisioners": ["rancher.io/local-path", "*hostpath*"], "scratch_claims": ["*tmp*"]},
}

found(document) := violations if violations := policy.violation with input as document

local := {"data": class("rancher.io/local-path", "WaitForFirstConsumer")}

says(text) := {"stategate.io/replication": text}

test_network_storage_passes if {
	found(request(1, {}, {"data": class("ebs.csi.aws.com", "WaitForFirstConsumer")})) == set()
}

test_local_disk_fails if {
	some v in found(request(1, {}, local))
	contains(v.msg, "claim data of StatefulSet kafka is on a disk of the node and says nothing of replication")
	v.path == ["metadata", "annotations", "stategate.io/replication"]
	contains(v.fix, "Annotate what is true in stategate.io/replication: application if the store copies it itself")
}

test_members_that_replicate_pass if found(request(3, says("application"), local)) == set()

test_one_member_replicates_nothing if {
	some v in found(request(1, says("application"), local))
	contains(v.msg, "has one replica only")
	some w in found({
		"workload": object.remove(request(1, says("application"), local).workload, ["replicas"]),
		"related": {"claim_classes": local},
		"parameters": request(1, {}, local).parameters,
	})
	contains(w.msg, "has one replica only")
}

test_copies_pass if {
	found(request(1, says("sync:2"), local)) == set()
	found(request(1, says("sync:12"), local)) == set()
	found(request(1, says("async:s3://shop-wal"), local)) == set()
}

test_what_says_nothing_fails if {
	every text in ["sync:1", "sync:", "async:", "yes", ""] {
		some v in found(request(3, says(text), local))
		contains(v.msg, "which is none of application, sync:N, async:TARGET")
	}
}

test_several_claims_are_one_fault if {
	classes := object.union(local, {"wal": class("microk8s.io/hostpath", "Immediate")})
	some v in found(request(1, {}, classes))
	contains(v.msg, "claim data, wal of")
	count(found(request(1, {}, classes))) == 1
}

test_scratch_claim_passes if {
	found(request(1, {}, {"tmp-sort": class("rancher.io/local-path", "WaitForFirstConsumer")})) == set()
}

test_local_volumes_made_by_hand if {
	count(found(request(1, {}, {"data": class("kubernetes.io/no-provisioner", "WaitForFirstConsumer")}))) == 1
	found(request(1, {}, {"data": class("kubernetes.io/no-provisioner", "Immediate")})) == set()
}

by_hand(source, related) := object.union(
	{"workload": object.union(request(1, {}, local).workload, {"claims": [{"name": "data", "origin": "reference"}]})},
	{"related": object.union({"claim_classes": {}, "pvs": [{"source": source, "claim_name": "data"}]}, related), "parameters": request(1, {}, local).parameters},
)

test_volume_made_by_hand_needs_no_class if {
	count(found(by_hand("hostPath", {}))) == 1
	count(found(by_hand("local", {}))) == 1
	found(by_hand("csi", {})) == set()
}

test_volume_of_a_claim_that_a_template_made if {
	behind := {"pvcs": [{"name": "data-kafka-0", "template": "data"}], "pvs": [{"source": "local", "claim_name": "data-kafka-0"}]}
	count(found(by_hand("local", behind))) == 1
	found(by_hand("local", object.union(behind, {"pvcs": []}))) == set()
}

test_class_that_is_not_known_says_nothing if {
	document := request(1, {}, local)
	found({"workload": document.workload, "related": {"claim_classes": {}}, "parameters": document.parameters}) == set()
}

writing(path, rest) := object.union(request(1, {}, local), {"workload": object.union(
	{
		"volumes": [{"name": "data", "claim": "data"}],
		"containers": [{"mounts": [{"volume": "data", "mount_path": path}]}],
	},
	rest,
)})

test_logs_alone_pass if {
	found(writing("/var/log/nginx", {})) == set()
	count(found(writing("/srv", {}))) == 1
	count(found(writing("/var/lib/kafka/logs", {"engine": {"name": "kafka"}}))) == 1
}

test_downloads_pass if {
	files := writing("/data", {})
	some container in files.workload.containers
	count(found(files)) == 1
	client := object.union(container, {"image": {"repository": "linuxserver/deluge"}})
	found(object.union(files, {"workload": {"containers": [client]}})) == set()
}
