package stategate.lib.retention_test

import data.stategate.lib.retention

test_both_fields_have_a_key if {
	retention.key_of.when_deleted == "whenDeleted"
	retention.key_of.when_scaled == "whenScaled"
}
