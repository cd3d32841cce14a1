# METADATA
# title: Durable workloads declare how they are backed up
# description: >-
#   A volume is not a backup: a mistaken deletion, a bad update or a lost account destroys its data too. A workload that
#   keeps data declares how it is backed up, so that a missing backup is found before it is needed, and reports can list
#   all of them. It is a declaration, not proof: other tools must check that a backup runs and can be restored. These
#   count without a word: Velero's annotation on the pods that names a volume with data, its hooks on the pods, K8up's
#   command for a dump there, Longhorn's labels on the claims, a container in the pod that takes backups (pgBackRest,
#   Litestream with a replica, one named backup) or that is such a program itself (Barman, PGHoard), a Schedule of
#   Velero that includes the namespace and backs up volumes, a Schedule of K8up, a Policy of Kasten that names the
#   namespace, a ReplicationSource of VolSync that names the claim, and a CronJob that runs a dump or backup program
#   against the workload, in its namespace or with that in the host's name. So does a Deployment of an image that dumps
#   by a schedule of its own, such as prodrigestivill/postgres-backup-local. They are seen if they are among the
#   manifests or in the inventory; scripts in ConfigMaps are read in manifests. One that is paused or never due, leaves
#   the volumes out (also because the claims or the pods tell it to), dumps definitions only, or leaves the dump in its
#   own pod is no backup, and is named. Helm creates such objects after the workload, so a workload that declares
#   nothing is only warned of at admission. A name in Velero's annotation that is no volume of the pod backs up nothing,
#   while Velero reports the backup as completed: it is flagged, whatever else is declared. Where no data is kept at
#   all, data-store-persists, volume-data-dir-persisted and volume-no-emptydir-data report that and this policy stays
#   silent, because there is nothing to back up yet. Data that can be rebuilt from elsewhere needs no backup: declare it
#   with stategate.io/data-durability: rebuildable, if the profile allows that. A person's time is worth it where
#   someone would miss the data: for data stores, and for workloads that write a claim. Claims for logs, caches, models
#   and downloads and those of web servers, whose files come from elsewhere, do not count, and neither do stores of
#   metrics, logs and traces, which expire by themselves and are hardly ever restored, the buffers of programs that pass
#   these on, search indexes that are filled from a database and built again from it, caches of builds, registries that
#   only pass on what another one has, signatures of viruses, what torrents bring, or programs that try something out
#   (exclude_engines, exclude_images). A container that does nothing but wait writes nothing by itself. Elasticsearch,
#   OpenSearch and Solr may hold the only copy and are asked, except dedicated masters and nodes whose roles are shown
#   to have neither data nor master, which hold no index; an empty variable node.roles leaves all roles. A Redis that
#   evicts any key when it is full is a cache, so is one without dump and log (`save ""`, `appendonly no`), and so is
#   one whose name or component says that it holds a cache or locks (cache_names; the profile regulated does not go by
#   names). Replicas in a StatefulSet of their own, as in Bitnami's charts, are copies: their primary is asked.
#   Directories that belong to the node itself, such as its time zones, are no data. Where several workloads share
#   claims, these may carry the annotation for all of them.
# related_resources:
# - ref: https://velero.io/docs/main/file-system-backup/
# - ref: https://velero.io/docs/main/api-types/schedule/
# - ref: https://velero.io/docs/main/backup-hooks/
# - ref: https://docs.k8up.io/k8up/how-tos/application-aware-backups.html
# - ref: https://volsync.readthedocs.io/en/stable/usage/triggers.html
# - ref: https://docs.kasten.io/latest/api/policies.html
# - ref: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
# - ref: https://typesense.org/docs/guide/syncing-data-into-typesense.html
# - ref: https://docs.sonarsource.com/sonarqube/latest/instance-administration/backup-and-restore/
#   description: The index is dropped and built again from the database.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, ReplicationController]}
#   inventory:
#     Schedule.velero.io: optional
#     Schedule.k8up.io: optional
#     ReplicationSource.volsync.backube: optional
#     Policy.config.kio.kasten.io: optional
#     CronJob.batch: optional
#     Deployment.apps: optional
#     StatefulSet.apps: optional
#     Service: optional
#     PersistentVolumeClaim: optional
#   parameters:
#     methods:
#       type: list
#       of: string
#       default: [velero, k10, operator, longhorn, volumesnapshot, cronjob, external, none]
#       description: The backup methods that a workload may name.
#     exclude_engines:
#       type: list
#       of: string
#       default: [prometheus, loki, tempo, victoria-metrics, meilisearch, typesense]
#       description: Data stores whose data expires or is built again, and needs no backup.
#     exclude_images:
#       type: list
#       of: string
#       default:
#       - thanos
#       - "*mimir"
#       - "*loki"
#       - "*tempo"
#       - netdata
#       - "graphite*"
#       - cortex
#       - pyroscope
#       - "*alertmanager"
#       - pushgateway
#       - "opentelemetry-collector*"
#       - graylog/graylog
#       - "jaeger*"
#       - zipkin
#       - "victoria-*"
#       - vtstorage
#       - "sonarqube*"
#       - "trivy-*"
#       - "buildkit*"
#       - "apm-server*"
#       - "fluentd*"
#       - "fluent-bit*"
#       - vector
#       - otelcol
#       - "*hostpathplugin*"
#       - fabric-tools
#       - "beats/*"
#       - "auditbeat*"
#       - "filebeat*"
#       - "journalbeat*"
#       - "metricbeat*"
#       - "packetbeat*"
#       - "promtail*"
#       - "*clamav*"
#       - "*torrent*"
#       - "deluge*"
#       - "transmission*"
#       - "*flood"
#       - fortio
#       - mitmproxy
#       description: >-
#         The same, by the last part of the image or the last two (globs), for programs that are no data store of the
#         table.
#     cache_names:
#       type: list
#       of: string
#       default: [cache, "cache-*", "*-cache", "*-cache-*", locks, "*-lock", "*-locks"]
#       description: A Redis of such a name (globs), or with such a label for its component, keeps nothing of value.
#   fix: >-
#     Annotate stategate.io/backup-method (velero, k10, operator, longhorn, volumesnapshot, cronjob, external, none);
#     for data that can be rebuilt from elsewhere, stategate.io/data-durability: rebuildable.
#   why: "a mistaken deletion, a bad update or a lost account takes the volume's data with it"
package stategate.backup.backup_declared

import data.stategate.lib.backups
import data.stategate.lib.data_dirs
import data.stategate.lib.globs
import data.stategate.lib.kept_data
import data.stategate.lib.publishers
import data.stategate.lib.settings

declared := input.workload.backup.methods

violation contains v if {
	count(declared) == 0
	kept_data.kept
	not fleeting
	not told_on_pods
	not told_on_claims
	not backups.by_schedule
	not backups.by_job
	not backups.by_sidecar
	not said_by_claims
	not nothing_is_kept
	v := {
		"msg": sprintf("%s %s %s", [input.workload.kind, input.workload.name, lack.why]),
		"path": ["metadata", "annotations"],
		"key": "stategate.io/backup-method",
		"fix": lack.fix,
		"may_arrive": "a CronJob or a Schedule of Velero",
	}
}

# What was meant to be a backup says more than that there is none.
lack := {
	"why": sprintf("has no backup: %s", [pretended[0].why]),
	"fix": sprintf("%s; or, if it is backed up otherwise, annotate stategate.io/backup-method", [pretended[0].fix]),
} if {
	count(pretended) > 0
} else := {
	"why": "does not say how its data is backed up: nobody knows whether it can be restored",
	"fix": remedy,
}

pretended := array.concat(
	[{"why": why, "fix": fix} |
		count(velero_names) > 0
		every named in velero_names {
			named in pod_volumes
		}
		why := sprintf("%s names only volumes without data (%s)", [velero_key, concat(", ", velero_names)])
		fix := sprintf("Name the volumes with the data in %s: %s", [velero_key, concat(",", lasting_volumes)])
	],
	sort(backups.pretences),
)

violation contains v if {
	some method in declared
	not method in input.parameters.methods
	v := {
		"msg": sprintf("backup method %s is not known, so nothing tells whether there is a backup", [method]),
		"path": ["metadata", "annotations", "stategate.io/backup-method"],
		"key": method,
		"fix": sprintf("Name one of %s in stategate.io/backup-method", [concat(", ", input.parameters.methods)]),
	}
}

violation contains v if {
	"none" in declared
	not reasoned
	v := {
		"msg": sprintf("%s %s has no backup and does not say why", [input.workload.kind, input.workload.name]),
		"path": ["metadata", "annotations", "stategate.io/backup-method"],
		"key": "stategate.io/skip-reason",
		"fix": "Annotate stategate.io/skip-reason with the reason (10 characters or more), or name a method",
	}
}

# Velero looks up each name among the volumes of the pod, as it is between the commas, and, if there is none, goes on
# without an error.
violation contains v if {
	some named in velero_names
	not named in pod_volumes
	count(pod_volumes) > 0
	v := {
		"msg": sprintf(
			"%s names %s, which is no volume of the pod: Velero reports success without its data",
			[velero_key, quoted(named)],
		),
		"path": array.concat(input.workload.pods.path, ["metadata", "annotations", velero_key]),
		"key": sprintf("%s %s", [velero_key, named]),
		"fix": sprintf("Name the volume as the pod does: %s", [concat(" or ", meant(named))]),
	}
}

velero_key := "backup.velero.io/backup-volumes"

velero_names contains named if {
	some named in split(object.get(input.workload.pods.annotations, velero_key, ""), ",")
	trim_space(named) != ""
}

# A blank would not be seen.
quoted(named) := named if {
	trim_space(named) == named
} else := sprintf(`"%s"`, [named])

pod_volumes := {volume.name | some volume in input.workload.volumes}

# The volumes of the claim that is named instead, or else all that keep data.
meant(named) := {trim_space(named)} if {
	trim_space(named) in pod_volumes
} else := volumes if {
	volumes := {volume.name | some volume in input.workload.volumes; is_claim_of(volume, trim_space(named))}
	count(volumes) > 0
} else := lasting_volumes if {
	count(lasting_volumes) > 0
} else := pod_volumes

lasting_volumes := {volume.name |
	some volume in input.workload.volumes
	source := volume.source
	not source in data_dirs.fleeting
}

is_claim_of(volume, named) if volume.claim == named

is_claim_of(volume, named) if startswith(named, sprintf("%s-%s-", [volume.name, input.workload.name]))

# A wrong name is told by itself.
told_on_pods if {
	some named in velero_names
	not named in fleeting_volumes
}

# Longhorn's recurring jobs, which do not all back up: some make snapshots on the same disks.
told_on_claims if {
	count(backups.kept_claims) > 0
	every name in backups.kept_claims {
		some claim in backups.known(name)
		in_a_recurring_job(claim)
	}
}

in_a_recurring_job(claim) if {
	some key, value in claim.labels
	regex.match(`^recurring-job(-group)?\.longhorn\.io/`, key)
	not regex.match(`/source$|snap|trim|clean|delete|purge|prune`, key)
	value == "enabled"
}

# The dump goes to the bucket of K8up's next backup.
told_on_pods if trim_space(input.workload.pods.annotations["k8up.io/backupcommand"]) != ""

told_on_pods if {
	some key, _ in input.workload.pods.annotations
	regex.match(`^(pre|post)\.hook\.backup\.velero\.io/`, key)
}

fleeting_volumes := pod_volumes - lasting_volumes

remedy := sprintf("Move %s to spec.template.metadata.annotations: Velero reads it on the pods", [velero_key]) if {
	input.workload.annotations[velero_key]
} else := sprintf(
	"Annotate stategate.io/backup-method with %s on claim %s, for all that mount it (none: here, with %s); if rebuildable, %s",
	[concat(", ", real), concat(", ", backups.kept_claims), "stategate.io/skip-reason", rebuildable],
) if {
	shared
	real := [method | some method in input.parameters.methods; method != "none"]
} else := sprintf(
	"Annotate stategate.io/backup-method with %s (none: with stategate.io/skip-reason); if rebuildable, %s",
	[concat(", ", input.parameters.methods), rebuildable],
)

rebuildable := "stategate.io/data-durability: rebuildable"

# Others write to its claims, which are objects of their own.
shared if {
	some consumer in input.related.consumers
	consumer.claim in backups.kept_claims
	not consumer.read_only
	every name in backups.kept_claims {
		some claim in input.workload.claims
		claim.name == name
		claim.origin == "reference"
	}
}

# It expires, or is built again from elsewhere.
fleeting if input.workload.engine.name in input.parameters.exclude_engines

fleeting if {
	not input.workload.engine
	count(keeping) > 0
	excluded := input.parameters.exclude_images
	every container in keeping {
		excluded_by(excluded, container)
	}
}

excluded_by(excluded, container) if {
	parts := split(container.image.repository, "/")
	last := count(parts) - 1
	some name in [parts[last], concat("/", array.slice(parts, max([0, last - 1]), last + 1))]
	globs.matches_any(excluded, name)
}

# A registry that passes on what it has fetched from another one.
excluded_by(_, container) if {
	regex.match(`(^|/)registry$`, container.image.repository)
	some variable in container.env
	variable.name == "REGISTRY_PROXY_REMOTEURL"
	object.get(variable, "value", "from elsewhere") != ""
}

# Keycloak keeps everything in its database.
excluded_by(_, container) if {
	regex.match(`(^|/)keycloak$`, container.image.repository)
	some variable in container.env
	variable.name == "KC_DB"
	variable.value in {"mariadb", "mssql", "mysql", "oracle", "postgres"}
}

# A Redis without dump and log, a node of Elasticsearch that only forwards, an arbiter.
excluded_by(_, container) if container.keeps_nothing

# It waits for someone to open a shell.
excluded_by(_, container) if {
	said := concat(" ", array.concat(container.command, container.args))
	regex.match(`^((/bin/)?(ba)?sh -c )?(exec )?(cat|sleep (infinity|[0-9]+[smhd]?)|tail -f /dev/null)$`, said)
}

fleeting if {
	a_redis
	names := input.parameters.cache_names
	some name in [input.workload.name, object.get(input.workload, ["labels", "app.kubernetes.io/component"], "")]
	globs.matches_any(names, name)
}

# Dedicated masters of Elasticsearch and OpenSearch, as Bitnami's images are told to be one.
fleeting if {
	input.workload.engine.name == "elasticsearch"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	contains(container.image.repository, "bitnami")
	some product in ["ELASTICSEARCH", "OPENSEARCH"]
	contains(container.image.repository, lower(product))
	some dedicated in container.env
	dedicated.name == sprintf("%s_IS_DEDICATED_NODE", [product])
	lower(dedicated.value) in {"yes", "true"}
	some told in container.env
	told.name == sprintf("%s_NODE_ROLES", [product])
	roles := {role | some role in split(replace(told.value, " ", ""), ",")}
	count(roles & {"master", "cluster_manager"}) > 0
	every role in roles {
		not startswith(role, "data")
	}
}

# The same by the roles themselves.
fleeting if {
	input.workload.engine.name == "elasticsearch"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	publishers.known(container.image)
	told := array.concat(
		[variable.value | some variable in container.env; variable.name == "node.roles"],
		[given.value | some given in settings.given(container); given.name in {"node.roles", "enode.roles"}],
	)
	count(told) == 1
	roles := {role | some role in split(regex.replace(told[0], `[\s"'\[\]]`, ""), ",")}
	count(roles & {"master", "cluster_manager"}) > 0
	every role in roles {
		not startswith(role, "data")
	}
}

keeping contains container if {
	some container in input.workload.containers
	container.role == "main"
	kept_data.keeps(container)
}

a_redis if input.workload.engine.name == "redis"

a_redis if {
	not input.workload.engine
	regex.match(`(redis|valkey)`, input.workload.name)
}

fleeting if input.workload.engine.evicts

# Elasticsearch 7 and older: a node that is told to hold no data.
fleeting if {
	input.workload.engine.name == "elasticsearch"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some told in container.env
	told.name == "node.data"
	lower(told.value) == "false"
}

# A copy of its primary.
fleeting if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	name := variable.name
	regex.match(`^(POSTGRES|POSTGRESQL|MYSQL|MARIADB|REDIS|VALKEY)_REPLICATION_MODE$`, name)
	image := container.image
	not publishers.passes_over(image, name)
	variable.value in {"slave", "replica"}
}

# It is told to keep everything in memory, or nothing of the pod outlives it.
nothing_is_kept if input.workload.engine.volatile

nothing_is_kept if not keeps_something

keeps_something if {
	some container in input.workload.containers
	some mount in object.get(container, "mounts", [])
	kept_data.lasting(mount)
}

# Several workloads may share a claim: the claim tells for all of them.
said_by_claims if {
	count(backups.kept_claims) > 0
	every name in backups.kept_claims {
		name in said_by
	}
}

said_by contains name if {
	some pvc in input.related.pvcs
	name := pvc.name
	methods := split(pvc.annotations["stategate.io/backup-method"], ",")
	every method in methods {
		trim_space(method) != "none"
		trim_space(method) in input.parameters.methods
	}
}

# A disk without a file system is not mounted.
keeps_something if {
	some claim in input.workload.claims
	claim.volume_mode == "Block"
}

reasoned if count(trim_space(input.workload.annotations["stategate.io/skip-reason"])) >= 10
