package stategate.lib.claims_test

import data.stategate.lib.claims

template := {"name": "data", "origin": "template", "access_modes": ["ReadWriteOnce"]}

reference := {"name": "shared", "origin": "reference", "access_modes": []}

mount(volume, path, read_only) := {"volume": volume, "source": "volumeClaimTemplate", "mount_path": path, "read_only": read_only}

document := {
	"workload": {
		"engine": {"data_dirs": [{"dir": "/data/db", "container": "db", "mount": mount("data", "/data/db", false)}]},
		"containers": [{"name": "db", "mounts": [
			mount("data", "/data/db", false),
			mount("journal", "/data/db/journal", false),
			mount("uploads", "/uploads", true),
		]}],
		"volumes": [
			{"name": "data", "source": "volumeClaimTemplate", "claim": "data"},
			{"name": "journal", "source": "volumeClaimTemplate", "claim": "journal"},
			{"name": "uploads", "source": "persistentVolumeClaim", "claim": "shared"},
			{"name": "tmp", "source": "emptyDir"},
		],
		"claims": [template, object.union(template, {"name": "journal"}), reference],
	},
}

names(some_claims) := {claim.name | some claim in some_claims}

test_claims_of_data if {
	found := claims.of_data with input as document
	names(found) == {"data", "journal"}
}

test_written_claims if {
	found := claims.written with input as document
	names(found) == {"data", "journal"}
}

test_a_template_is_no_reference_of_the_same_name if {
	volume := {"name": "data", "source": "persistentVolumeClaim", "claim": "data"}
	not claims.serves(template, volume)
	claims.serves(object.union(template, {"origin": "reference"}), volume)
}

test_no_engine if {
	found := claims.of_data with input as {"workload": object.remove(document.workload, ["engine"])}
	found == set()
}
