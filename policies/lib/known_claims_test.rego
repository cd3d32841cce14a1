package stategate.lib.known_claims_test

import data.stategate.lib.known_claims

shared := {"name": "shared", "origin": "reference", "access_modes": []}

test_modes_of_a_template if {
	own := known_claims.resolved({"name": "data", "origin": "template", "access_modes": ["ReadWriteOnce"]})
	own.access_modes == ["ReadWriteOnce"]
}

test_modes_of_a_reference if {
	pvcs := [{"name": "other", "access_modes": []}, {"name": "shared", "access_modes": ["ReadWriteMany"]}]
	named := known_claims.resolved(shared) with input.related.pvcs as pvcs
	named.access_modes == ["ReadWriteMany"]
}

test_modes_nobody_knows if not known_claims.resolved(shared)

deployment(mode) := {
	"workload": {
		"kind": "Deployment",
		"replicas": 2,
		"containers": [{"name": "app", "mounts": [{"volume": "files", "mount_path": "/data", "read_only": false}]}],
		"volumes": [{"name": "files", "source": "persistentVolumeClaim", "claim": "shared"}],
		"claims": [shared],
	},
	"related": {"pvcs": [{"name": "shared", "access_modes": [mode]}]},
}

test_several_pods_share_a_claim_of_one_node if {
	known_claims.too_many_pods with input as deployment("ReadWriteOnce")
	not known_claims.too_many_pods with input as deployment("ReadWriteMany")
	not known_claims.too_many_pods with input as object.union(deployment("ReadWriteOnce"), {"workload": {"replicas": 1}})
}
