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
