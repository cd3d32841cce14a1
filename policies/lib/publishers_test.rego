package stategate.lib.publishers_test

import data.stategate.lib.publishers

test_images_of_publishers_are_known if {
	every repository in [
		"library/redis", "mirror/library/postgres", "bitnamilegacy/mysql", "coreos/etcd", "minio/minio", "etcd",
		"mirror/quay.io/minio/minio", "rhel9/postgresql-16", "proxy/apache/kafka-native", "registry.opensource.zalan.do/acid/spilo-17",
	] {
		publishers.known({"repository": repository})
	}
}

test_images_of_others_are_not if {
	every repository in ["base/redis", "someone/postgres", "shop/elasticsearch", "tools/etcd", "shop/library", "minio/minio/console", "bitnami"] {
		not publishers.known({"repository": repository})
	}
}

test_makers_count_their_images_as_their_stores if {
	every repository in ["library/redis", "getmeili/meilisearch", "etcd", "qdrant/qdrant", "mirror/apache/couchdb"] {
		publishers.versioned({"repository": repository})
	}
}

test_others_count_as_they_like if {
	every repository in ["tools/redis", "postgres", "mylibrary/redis", "team-redis/redis"] {
		not publishers.versioned({"repository": repository})
	}
}

test_known_images_read_no_variables_of_others if {
	every case in [
		["library/mysql", "MYSQL_REPLICATION_MODE"],
		["mirror/library/redis", "REDIS_MASTER_HOST"],
		["library/mariadb", "MARIADB_GALERA_CLUSTER_ADDRESS"],
		["timescale/timescaledb", "POSTGRESQL_REPLICATION_MODE"],
	] {
		publishers.passes_over({"repository": case[0]}, case[1])
	}
	every case in [
		["bitnami/mysql", "MYSQL_REPLICATION_MODE"],
		["tools/mysql", "MYSQL_REPLICATION_MODE"],
		["library/mariadb", "MARIADB_MASTER_HOST"],
		["library/mysql", "MYSQL_DATABASE"],
	] {
		not publishers.passes_over({"repository": case[0]}, case[1])
	}
}
