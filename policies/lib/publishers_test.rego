package stategate.lib.publishers_test

import data.stategate.lib.publishers

test_images_of_publishers_are_known if {
	every repository in ["library/redis", "mirror/library/postgres", "bitnamilegacy/mysql", "coreos/etcd", "minio/minio"] {
		publishers.known({"repository": repository})
	}
}

test_images_of_others_are_not if {
	every repository in ["base/redis", "someone/postgres", "shop/elasticsearch"] {
		not publishers.known({"repository": repository})
	}
}
