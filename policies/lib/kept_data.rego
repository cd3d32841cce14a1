# Whether a workload keeps data that someone would miss, or only happens to mount a volume.
package stategate.lib.kept_data

import data.stategate.lib.data_dirs
import data.stategate.lib.globs
import data.stategate.lib.settings

# It runs a data store, or writes to lasting volumes more than logs, caches, downloads and the files of a web server.
kept if input.workload.engine

kept if {
	not input.workload.engine
	some container in input.workload.containers
	keeps(container)
}

# The same of a data store, which has no volumes of no value: what it calls logs or a cache may be its data.
stores(container) if {
	of_a_store(container)
	some mount in container.mounts
	lasting(mount)
}

stores(container) if {
	not of_a_store(container)
	keeps(container)
}

of_a_store(container) if container.engine != ""

keeps(container) if {
	some mount in container.mounts
	lasting(mount)
	not passing(container, mount)
}

# The pod writes to it, it outlives the pod, and it is no part of the node itself.
lasting(mount) if {
	data_dirs.persisted({"mount": mount})
	not of_the_node(mount)
}

# Time zones, certificates, sockets, logs, what the kernel shows, and what the node's own container runtime keeps.
node_paths := concat("", [
	`^(/etc/(localtime|timezone|machine-id|hostname|hosts|resolv\.conf|(ssl|pki|ca-certificates)(/.*)?)`,
	`|/usr/share/(zoneinfo|ca-certificates)(/.*)?|/(proc|sys|lib/modules|var/log)(/.*)?|/.*\.sock`,
	`|/var/lib/((cni|containerd|csi)(/.*)?|nerdctl)|/opt/cni(/.*)?`,
	`|/dev(/(bus|dri|fuse|infiniband|kvm|log|net|null|nvidia.*|ptmx|pts|random|shm|snd|tty.*|urandom|vfio|zero)(/.*)?)?)$`,
])

of_the_node(mount) if {
	mount.source == "hostPath"
	not mount in of_a_data_store
	some volume in input.workload.volumes
	volume.name == mount.volume
	regex.match(node_paths, volume.host_path)
	not contains(volume.host_path, "..")
}

# A driver mounts file systems there, for the node to see.
of_the_node(mount) if {
	mount.source == "hostPath"
	not mount in of_a_data_store
	written := object.get(input.review.object, mount.path, {})
	written.mountPropagation == "Bidirectional"
}

of_the_node(mount) if {
	mount.source == "hostPath"
	not mount in of_a_data_store
	drives_storage
}

# A CSI driver: its volumes are elsewhere, and on the node are its sockets and what it mounts.
drives_storage if {
	some container in input.workload.containers
	repository := container.image.repository
	regex.match(`(^|/)csi-(attacher|provisioner|resizer|snapshotter|node-driver-registrar)$`, repository)
}

# A data store keeps its data there, whatever the path is called.
of_a_data_store := {dir.mount | some dir in input.workload.engine.data_dirs}

# All that its data store writes goes with the pod. The policies on volumes tell of it: what else such a pod lacks for
# the sake of the data has the same cause.
goes_with_the_pod if {
	dirs := input.workload.engine.data_dirs
	count(dirs) > 0
	every dir in dirs {
		dir in data_dirs.unpersisted
		not data_dirs.uncertain(dir)
	}
}

passing(_, mount) if of_no_value(mount)

passing(container, mount) if only_read(container, mount)

# A client loads a file into a data store that is elsewhere: all that its script runs is told, and each time that it
# names the directory, it reads there.
only_read(container, mount) if {
	text := of_clients[container.name]
	parts := split(text, mount.mount_path)
	count(parts) > 1
	every part in array.slice(parts, 0, count(parts) - 1) {
		regex.match(`(<|(^|[\s/;&|])psql\s[^;&|<>\n]*\s(-f|--file))[\s=]*["']?$`, part)
	}
	script := regex.replace(text, `^(\S*/)?(sh|bash|ash|dash)(\s+-\S+)*\s`, "")
	every line in regex.split(`[;&|\n]+`, script) {
		regex.match(`^\s*((\S*/)?(psql|mysql|mariadb|mongosh?|echo|sleep|true|date|exit|set)(\s|$)|$)`, line)
	}
}

# What containers run, if that names a client and is no longer than a person writes.
of_clients := {name: text |
	some name in {container.name | some container in input.workload.containers}
	container := [one | some one in input.workload.containers; one.name == name][0]
	text := concat(" ", array.concat(container.command, container.args))
	count(text) <= settings.most
	regex.match(`psql|mysql|mariadb|mongo`, text)
}

# What a path or a volume's name says of its content.
of_no_value(mount) if {
	some text in [mount.mount_path, mount.volume]
	regex.match(`(^|[/_.-])(logs?|caches?|te?mp|scratch|spool|downloads?|models?|static|assets)([/_.-]|$)`, lower(text))
}

# Source code comes from its repository, and who loses a session logs in again.
of_no_value(mount) if {
	some text in [mount.mount_path, mount.volume]
	regex.match(`(^|[/_-])(src|source-?code|sessions?)/?$`, lower(text))
}

of_no_value(mount) if {
	some text in [mount.mount_path, mount.volume]
	dumps_of_crashes(lower(text))
}

# Below /var/lib, the last part may be the name of a program.
dumps_of_crashes(text) if regex.match(`(^|/)core-?dumps?/?$`, text)

dumps_of_crashes(text) if {
	regex.match(`/crash/?$`, text)
	not regex.match(`^/var/lib/[^/]*/?$`, text)
}

passing(container, _) if {
	name := last_part(container.image.repository)
	globs.matches_any(servers, name)
}

# A server of files that others make: it writes none itself.
serves_files(container) if last_part(container.image.repository) in {"apache", "httpd", "lighttpd", "nginx", "nginx-unprivileged"}

last_part(repository) := parts[count(parts) - 1] if parts := split(repository, "/")

# Web servers, proxies, shells and bare distributions: what they serve or pass on comes from elsewhere. Servers of
# models and torrent clients download what they hold, builders have a cache, and images that try out a cluster have
# nothing to lose.
servers := [
	"nginx", "nginx-*", "httpd", "apache", "caddy", "traefik", "haproxy", "envoy", "varnish", "squid", "busybox",
	"alpine", "debian", "ubuntu", "curl", "text-embeddings-inference", "text-generation-inference", "vllm-openai",
	"tritonserver", "*-machine-learning", "pause", "agnhost", "test-webserver", "iis", "almalinux", "amazonlinux",
	"centos", "fedora", "opensuse*", "rockylinux", "ubi", "ubi-*", "buildkit", "*torrent*", "deluge", "transmission",
	"flood", "qflood",
]
