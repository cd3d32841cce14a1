package stategate.lib.makers_test

import data.stategate.lib.makers

test_images_of_publishers_are_known if {
	every repository in ["library/redis", "mirror/library/postgres", "bitnamilegacy/mysql", "coreos/etcd", "minio/minio"] {
		makers.known({"repository": repository})
	}
}

test_images_of_others_are_not if {
	every repository in ["base/redis", "someone/postgres", "shop/elasticsearch"] {
		not makers.known({"repository": repository})
	}
}
