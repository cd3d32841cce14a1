package stategate.lib.kept_data_test

import data.stategate.lib.kept_data

request(repository, path, name) := {"workload": {
	"containers": [{
		"name": "app",
		"image": {"repository": repository},
		"mounts": [{"mount_path": path, "volume": name, "source": "persistentVolumeClaim", "read_only": false}],
	}],
}}

test_files_of_an_application_are_kept if {
	every path in [
		"/var/www/html", "/config", "/var/lib/app", "/data", "/home/git/templates", "/srv/core", "/var/lib/crash",
		"/var/lib/x-core-dump/db",
	] {
		kept_data.kept with input as request("shop/app", path, "data")
	}
}

test_what_passes_is_not if {
	every path in ["/var/log/app", "/cache", "/var/lib/ceph/crash", "/core-dumps", "/app/tmp", "/models", "/srv/static", "/opt/build-cache"] {
		not kept_data.kept with input as request("shop/app", path, "data")
	}
	not kept_data.kept with input as request("shop/app", "/srv", "app-logs")
	not kept_data.kept with input as request("shop/app", "/app", "search-src")
	not kept_data.kept with input as request("shop/app", "/var/lib/php/sessions", "data")
	kept_data.kept with input as request("shop/app", "/usr/src/app/uploads", "data")
}

test_files_of_a_web_server_are_not if {
	not kept_data.kept with input as request("library/nginx", "/usr/share/nginx/html", "data")
	not kept_data.kept with input as request("nginxinc/nginx-unprivileged", "/usr/share/nginx/html", "data")
}

test_downloads_of_a_model_server_are_not if {
	not kept_data.kept with input as request("huggingface/text-embeddings-inference", "/data", "data")
}

test_what_is_fetched_or_built_again_is_not if {
	every repository in ["linuxserver/qbittorrent", "crazymax/rtorrent-rutorrent", "moby/buildkit"] {
		not kept_data.kept with input as request(repository, "/data", "data")
	}
}

test_data_of_a_store_is_kept if {
	document := object.union(request("library/postgres", "/cache", "data"), {"workload": {"engine": {"name": "postgres"}}})
	kept_data.kept with input as document
}

test_claim_that_is_only_read_is_not if {
	document := request("shop/app", "/data", "data")
	some container in document.workload.containers
	reading := object.union(container, {"mounts": [
		{"mount_path": "/data", "volume": "data", "source": "persistentVolumeClaim", "read_only": true},
	]})
	not kept_data.kept with input as {"workload": object.union(document.workload, {"containers": [reading]})}
}

test_a_web_server_writes_no_files if {
	kept_data.serves_files({"image": {"repository": "library/nginx"}})
	not kept_data.serves_files({"image": {"repository": "library/caddy"}}) # keeps certificates
	not kept_data.serves_files({"image": {"repository": "nginx/app"}})
}

test_images_that_try_out_a_cluster_keep_nothing if {
	not kept_data.kept with input as request("test-webserver", "/data", "data")
	not kept_data.kept with input as request("pause", "/data", "data")
	not kept_data.kept with input as request("amazonlinux/amazonlinux", "/data", "data")
}

store(dirs) := {"workload": {"engine": {"name": "mysql", "data_dirs": dirs}, "containers": []}}

dir(origin, rest) := object.union({"dir": "/var/lib/mysql", "container": "db", "origin": origin}, rest)

on(source) := {"mount": {"source": source, "read_only": false}}

test_what_goes_with_the_pod if {
	kept_data.goes_with_the_pod with input as store([dir("default", {})])
	kept_data.goes_with_the_pod with input as store([dir("argument", on("emptyDir"))])
}

test_what_outlives_the_pod_or_is_not_known if {
	not kept_data.goes_with_the_pod with input as store([dir("default", on("volumeClaimTemplate"))])
	not kept_data.goes_with_the_pod with input as store([dir("argument", {}), dir("argument", on("hostPath"))])
	not kept_data.goes_with_the_pod with input as store([dir("script", {})])
	not kept_data.goes_with_the_pod with input as store([])
	not kept_data.goes_with_the_pod with input as {"workload": {}}
}

test_directories_of_the_node_itself_are_not if {
	every path in [
		"/var/lib/containerd", "/var/lib/csi/sockets/pluginproxy/x", "/var/lib/nerdctl", "/usr/share/zoneinfo",
		"/etc/localtime", "/etc/ssl/certs", "/run/containerd/containerd.sock",
	] {
		not kept_data.kept with input as on_the_node(path)
	}
	every path in ["/srv/app", "/etcd", "/etc", "/usr/local/ledger", "/run/media/disk1", "/sys/../srv/data"] {
		kept_data.kept with input as on_the_node(path)
	}
}

on_the_node(host_path) := {"workload": {
	"containers": [{
		"name": "app",
		"image": {"repository": "shop/app"},
		"mounts": [{"mount_path": "/x", "volume": "v", "source": "hostPath", "read_only": false}],
	}],
	"volumes": [{"name": "v", "source": "hostPath", "host_path": host_path}],
}}

test_what_a_storage_driver_mounts_is_not if {
	kept_data.kept with input as on_the_node("/var/lib/juicefs")
	document := on_the_node("/var/lib/juicefs")
	attacher := {"name": "attacher", "image": {"repository": "sig-storage/csi-attacher"}}
	containers := array.concat(document.workload.containers, [attacher])
	not kept_data.kept with input as {"workload": object.union(document.workload, {"containers": containers})}
}

test_what_is_mounted_for_the_node_to_see_is_not if {
	document := on_the_node("/var/lib/juicefs")
	path := ["spec", "volumeMounts", 0]
	containers := [object.union(container, {"mounts": mounts}) |
		some container in document.workload.containers
		mounts := [object.union(mount, {"path": path}) | some mount in container.mounts]
	]
	workload := object.union(document.workload, {"containers": containers})
	shown := {"spec": {"volumeMounts": [{"mountPropagation": "HostToContainer"}]}}
	kept_data.kept with input as {"workload": workload, "review": {"object": shown}}
	both := {"spec": {"volumeMounts": [{"mountPropagation": "Bidirectional"}]}}
	not kept_data.kept with input as {"workload": workload, "review": {"object": both}}
}

runs(script) := {"workload": {"containers": [{
	"name": "app",
	"image": {"repository": "library/postgres"},
	"command": ["/bin/sh"],
	"args": ["-c", script],
	"mounts": [{"mount_path": "/restore", "volume": "r", "source": "hostPath", "read_only": false}],
}]}}

test_what_a_client_only_loads_is_not if {
	every script in [
		"psql -U app -h db < /restore/dump.sql && echo done && sleep 100m",
		"psql -h db -f /restore/dump.sql",
		"mysql -h db <\"/restore/dump.sql\"; sleep infinity",
	] {
		not kept_data.kept with input as runs(script)
	}
	every script in [
		"psql -h db > /restore/dump.sql",
		"pg_dump -h db -f /restore/dump.sql",
		"psql -h db < /restore/dump.sql; /app/server",
		"psql -h db < /restore/dump.sql > /restore/log",
		"psql -h db",
	] {
		kept_data.kept with input as runs(script)
	}
}
