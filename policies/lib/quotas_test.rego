package stategate.lib.quotas_test

import data.stategate.lib.quotas

test_keys_for_storage if {
	every key in [
		"requests.storage",
		"persistentvolumeclaims",
		"gold.storageclass.storage.k8s.io/requests.storage",
		"gold.storageclass.storage.k8s.io/persistentvolumeclaims",
	] {
		quotas.limits_storage(key)
	}
}

test_other_keys if {
	every key in ["requests.cpu", "limits.memory", "pods", "requests.ephemeral-storage"] {
		not quotas.limits_storage(key)
	}
}
