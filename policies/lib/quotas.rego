# Which keys of a ResourceQuota limit storage.
package stategate.lib.quotas

of_class := ".storageclass.storage.k8s.io/"

limits_storage(key) if key in {"requests.storage", "persistentvolumeclaims"}

limits_storage(key) if contains(key, of_class)
