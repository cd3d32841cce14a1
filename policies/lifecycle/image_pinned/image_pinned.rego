# METADATA
# title: Images of data stores name a release
# description: >-
#   A tag such as latest, or a major version alone, refers to a different image every few weeks. A pod that is merely
#   moved to another node then starts another version on its data, one replica before the other; a new base image may
#   even sort text differently, which breaks indexes. This policy checks the main containers that keep data on
#   lasting volumes (not only logs, caches or the files of a web server), except containers that run no data store
#   beside one that does, well-known images that only dump a data store elsewhere, and those named in
#   exclude_containers. A digest always passes. A tag floats if it has no digit, if it is one of floating_tags, or if
#   its version is a major number alone, as in 16, 16-alpine or 17-3.5. Tags that name a build pass: a date, a patch
#   build (pg16-ts2.17.2-p1, 16-r4), a commit, a third number of an extension's release (16-v0.13.2), and the release
#   that Red Hat's images append to their version (1-37). So does a number alone that the data store in somebody's
#   own image has never had, such as v1 of Redis. A tag with two numbers passes, although some images publish later
#   patches under it; set require_digest for a stricter check, which also looks at images that somebody puts on the
#   nodes (imagePullPolicy Never), and at those whose files any version reads (notebooks, editors, copiers of files;
#   a major version of Docker's registry). Images that an operator or a webhook fills in later, and pods that run to
#   completion (restartPolicy Never or OnFailure), are not checked. Where OpenShift writes the image of an
#   ImageStreamTag into a container (image.openshift.io/triggers), a digest here would be overwritten.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
# - ref: https://wiki.postgresql.org/wiki/Locale_data_changes
# - ref: https://docs.redhat.com/en/documentation/openshift_container_platform/4.13/html/images/triggering-updates-on-imagestream-changes
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps, ReplicaSet.apps, ReplicationController, Pod]}
#   parameters:
#     floating_tags:
#       type: list
#       of: string
#       default: ["latest-*", "*-latest", "lts-*", "alpine*"]
#       description: Tags (globs) that name no release although they contain digits.
#     allow_major_only:
#       type: boolean
#       default: false
#       description: Accept a major version alone, as in postgres:16.
#     require_digest:
#       type: boolean
#       default: false
#       description: "Accept only a digest: the same image, byte for byte."
#     exclude_containers:
#       type: list
#       of: string
#       default: [istio-proxy, linkerd-proxy, "*exporter"]
#       description: Containers (globs) whose images may float.
#   fix: >-
#     Name the release that runs now in the tag (16.4, not 16), or add its digest: IMAGE:TAG@sha256:…
#   why: "the publisher can move such a tag, and replicas may end up running different builds"
package stategate.lifecycle.image_pinned

import data.stategate.lib.engines
import data.stategate.lib.globs
import data.stategate.lib.kept_data
import data.stategate.lib.publishers
import data.stategate.lib.versions

violation contains v if {
	kept_data.kept
	excluded := input.parameters.exclude_containers
	some container in input.workload.containers
	container.role == "main"
	not engines.helper(container)
	container.image.digest == ""
	what := looseness(container.image)
	not counts_builds(container, what)
	not dumps_another(container)
	not harmless(container, what)
	not globs.matches_any(excluded, container.name)
	v := {
		"msg": sprintf(
			"image %s of container %s %s: %s",
			[container.image_name, container.name, what, consequence(container)],
		),
		"path": array.concat(container.path, ["image"]),
		"key": sprintf("%s %s", [container.name, what]),
		"fix": remedy(container, what),
	}
}

consequence(container) := sprintf("OpenShift rolls out each new image of %s on the data", [followed(container)]) if {
	followed(container)
} else := "a restart may run another version on the data"

# The ImageStreamTag whose image OpenShift writes into the container.
followed(container) := [trigger.from.name |
	text := input.workload.annotations["image.openshift.io/triggers"]
	json.is_valid(text)
	some trigger in json.unmarshal(text)
	some quote in [`"`, "'"]
	contains(trigger.fieldPath, sprintf(".containers[?(@.name==%s%s%s)]", [quote, container.name, quote]))
	not object.get(trigger, "paused", false) in {true, "true"}
][0]

harmless(container, what) if {
	not input.parameters.require_digest
	of_any_version(container, what)
}

harmless(container, _) if {
	not input.parameters.require_digest
	loaded_by_hand(container)
}

# Whatever runs after a restart finds nothing there.
harmless(container, _) if {
	not input.parameters.require_digest
	not kept_data.stores(container)
}

# Files of people and of other programs: notebooks, editors, copiers and servers of files, runners of builds.
of_any_version(container, _) if {
	container.engine == ""
	name := kept_data.last_part(container.image.repository)
	globs.matches_any(plain_files, name)
}

plain_files := [
	"*-notebook", "notebook", "jupyter", "jupyterlab*", "jupyter-scipy*", "jupyter-pytorch*", "jupyter-tensorflow*",
	"code-server*", "openvscode-server*", "rsync*", "*-rsync", "sftp*", "samba*", "*-samba", "cron", "*-cron",
	"docker", "dind*", "*-dind", "act_runner", "*-act-runner", "gitlab-runner*", "actions-runner*",
]

# Each release of a major version of Docker's registry reads what another has written; the next looks for its settings
# elsewhere.
of_any_version(container, "names only a major version") if publishers.named(container.image) == "library/registry"

# No publisher moves what somebody puts on the nodes, and no registry has a digest of it.
loaded_by_hand(container) if {
	written := object.get(input.review.object, container.path, {})
	written.imagePullPolicy == "Never"
}

# They run no server: what they keep is dumps, and the tag is the version of the server that they read.
dumpers := {
	"databack/mysql-backup", "eeshugerman/postgres-backup-s3", "fradelg/mysql-cron-backup", "kartoza/pg-backup",
	"prodrigestivill/postgres-backup-local", "schickling/postgres-backup-s3", "tiredofit/db-backup",
}

dumps_another(container) if publishers.named(container.image) in dumpers

# Whoever builds an image of his own counts its builds: v14 of Cassandra and v1 of Redis are none of theirs.
counts_builds(container, "names only a major version") if {
	image := container.image
	regex.match(`^v?[0-9]+$`, image.tag)
	number := to_number(trim_prefix(image.tag, "v"))
	number < versions.first_numbers[container.engine]
	not publishers.versioned(image)
}

counts_builds(container, "names only a major version") if {
	image := container.image
	regex.match(`^v[0-9]+$`, image.tag)
	versions.first_numbers[container.engine]
	not container.engine in {"cockroach", "etcd"}
	not publishers.versioned(image)
}

remedy(container, what) := sprintf(
	"Let builds and imports write another tag than %s, and give it a release of your choice (oc tag): OpenShift writes that here",
	[followed(container)],
) if {
	followed(container)
} else := sprintf("Add the digest that runs now (imageID): %s@sha256:<digest>", [container.image_name]) if {
	what == "has no digest"
} else := sprintf(
	"Name the release that runs now (minio --version in the pod), %s:RELEASE.<date>, or its digest, %s@sha256:<digest>",
	[untagged(container), container.image_name],
) if {
	container.engine == "minio"
} else := sprintf(
	"Add the digest that runs now (imageID): %s@sha256:<digest>; its tags name no minor version",
	[container.image_name],
) if {
	publishers.named(container.image) in majors_only
} else := sprintf(
	"Name the release that runs now (kubectl get pod -o yaml: imageID), %s:%s, or its digest, %s@sha256:<digest>",
	[untagged(container), release(container, what), container.image_name],
) if {
	regex.match(two_numbers, container.image.repository)
} else := concat(" ", [
	"Append the digest that runs now, @sha256:<digest> (kubectl get pod -o yaml: imageID), or name its release as the",
	"publisher's tags do",
])

# Images with tags of two numbers. Of others, such as Bitnami's with three, the form of the tags is not known here.
two_numbers := concat("", [
	`^(.*/)?(library/(cassandra|clickhouse|couchdb|influxdb|mariadb|mongo|mysql|nats|postgres|rabbitmq|redis|solr|valkey`,
	`|zookeeper)|valkey/valkey|clickhouse/clickhouse-server|(coreos/|etcd-development/)etcd)$|^etcd$`,
])

untagged(container) := trim_suffix(container.image_name, concat("", [":", container.image.tag]))

# The tag that keeps the flavour: a data directory does not move from one C library to another.
release(container, what) := concat("", [numbers(container, what), flavour(container.image.tag)])

numbers(container, what) := "v3.<minor>.<patch>" if {
	container.engine == "etcd"
	container.image.repository in {"coreos/etcd", "etcd-development/etcd"}
} else := "3.<minor>.<patch>-<revision>" if {
	container.engine == "etcd"
	container.image.repository == "etcd" # of Kubernetes
} else := sprintf("%s.<minor>", [split(container.image.tag, "-")[0]]) if {
	what == "names only a major version"
} else := "<major>.<minor>"

flavour(tag) := sprintf("-%s", [tag]) if {
	regex.match(named_flavour, tag)
} else := substring(tag, indexof(tag, "-"), -1) if {
	contains(tag, "-")
	not endswith(tag, "-latest")
} else := ""

named_flavour := `^(alpine|slim|bullseye|bookworm|trixie|focal|jammy|noble|debian|ubuntu|ubi|management)`

# Images whose tags name only the major version of the database: 17-3.5, pg17.
majors_only := {"postgis/postgis", "pgvector/pgvector", "immich-app/postgres"}

looseness(image) := "has no tag, so it is whatever latest is" if {
	image.tag == ""
} else := "names no release" if {
	floating(image.tag)
} else := "names only a major version" if {
	not input.parameters.allow_major_only
	major_only(image.tag)
	not names_build(image)
} else := "has no digest" if {
	input.parameters.require_digest
}

floating(tag) if not has_digit(tag)

floating(tag) if {
	globs.matches_any(input.parameters.floating_tags, tag)
	not regex.match(`^alpine.*[-_]v[0-9]+\.[0-9]+\.[0-9]+$`, tag) # of KeyDB: alpine_x86_64_v6.3.4
}

has_digit(text) if regex.match(`[0-9]`, text)

# 16, v16, 16-alpine, pg16; longer numbers are builds or dates.
major_only(tag) if {
	number := trim_prefix(trim_prefix(split(tag, "-")[0], "v"), "pg")
	trim(number, "0123456789") == ""
	count(number) <= 3
}

# A word after the version that no publisher moves to another build.
names_build(image) if {
	words := split(replace(image.tag, "_", "-"), "-")
	some word in array.slice(words, 1, count(words))
	build(word)
}

# A date: 12-2019-11-26.
names_build(image) if regex.match(`[0-9]{4}-[0-9]{2}-[0-9]{2}`, image.tag)

# The version of an image of Red Hat's and its release: 1-37.
names_build(image) if {
	globs.matches_any(["rhel*/*", "ubi*/*", "rhscl/*"], image.repository)
	regex.match(`^[0-9]+-[0-9]+$`, image.tag)
}

# A date or a time: 20240901, 1726663330.
build(word) if regex.match(`[0-9]{6,}`, word)

# A patch build: p1, r4, build12.
build(word) if regex.match(`^(p|r|b|build|rev)[0-9]+$`, word)

# A commit: letters and digits.
build(word) if {
	regex.match(`^g?[0-9a-f]{7,40}$`, word)
	regex.match(`[0-9]`, word)
	regex.match(`[a-f]`, word)
}

# The full release of an extension; the distribution's own (alpine3.20.3) says nothing of the database.
build(word) if regex.match(`^(v|ts|ver)?[0-9]+\.[0-9]+\.[0-9]+`, word)
