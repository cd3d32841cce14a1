package stategate.lib.deletion_test

import data.stategate.lib.deletion

test_orphans_stay if {
	deletion.orphans with input.review.options as {"propagationPolicy": "Orphan"}
	deletion.orphans with input.review.options as {"orphanDependents": true}
	not deletion.orphans with input.review.options as {"propagationPolicy": "Background"}
	not deletion.orphans with input.review.options as null
}
