# The users that containers of data stores start as, if not as root: a new volume is root's, and they cannot write to it
# unless fsGroup gives it to a group of the pod.
package stategate.lib.image_users

# What to set with a new volume; undefined if the pod sets it, or nothing is known to need it.
group := min(needed) if {
	count(needed) > 0
	not pod.fsGroup
	not changes_owners
}

needed := {id |
	some container in input.workload.containers
	object.get(container, "engine", "") != ""
	id := user(container)
	id > 0
}

user(container) := id if {
	id := object.get(container, ["security", "runAsUser"], -1)
	id >= 0
} else := id if {
	id := object.get(pod, "runAsUser", -1)
	id >= 0
} else := id if {
	repository := container.image.repository
	id := min({one | some pattern, one in users; regex.match(pattern, repository)})
}

pod := object.get(input.review.object, array.concat(input.workload.pods.spec_path, ["securityContext"]), {})

changes_owners if {
	some container in input.workload.containers
	some text in array.concat(object.get(container, "command", []), object.get(container, "args", []))
	contains(text, "chown")
}

# By the end of the repository. Any group does: the kubelet gives the volume to it, and the process belongs to it.
users := {
	`(^|/)bitnami[a-z]*/[^/]*$`: 1001,
	`(^|/)(library|elasticsearch)/elasticsearch(-oss)?$|(^|/)opensearchproject/opensearch$`: 1000,
	`(^|/)apache/kafka$|(^|/)confluentinc/cp-(kafka|server|zookeeper)$`: 1000,
	`(^|/)(redpandadata|vectorized)/redpanda$`: 101,
	`(^|/)prom(etheus)?/prometheus$`: 65534,
	`(^|/)grafana/(loki|tempo)$`: 10001,
	`(^|/)grafana/grafana(-oss|-enterprise)?$`: 472,
	`(^|/)library/solr$`: 8983,
	`(^|/)codenotary/immudb$`: 3322,
	`(^|/)mssql/server$`: 10001,
	`(^|/)(database/(free|express)|gvenzl/oracle-(free|xe))$`: 54321,
}
