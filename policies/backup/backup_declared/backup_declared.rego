# METADATA
# title: Durable workloads declare how they are backed up
# description: >-
#   A volume is not a backup: a dropped table, a bad migration or a lost account destroys its data too. A workload
#   that keeps data declares how it is backed up, so that a missing backup is found before it is needed, and reports
#   can list all of them. It is a declaration, not proof: other tools must check that a backup runs and can be
#   restored. These count without a word: Velero's annotation on the pods that names a volume they have, its hooks on
#   the pods, a container in the pod that takes backups (pgBackRest, Litestream, one named backup), a Schedule of Velero
#   that includes the namespace and backs up volumes, and a CronJob of the namespace that runs a dump or backup program
#   against the workload; schedules and CronJobs are seen if they are among the manifests
#   or in the inventory. Helm creates both after the workload, so a workload that declares nothing is only warned of at
#   admission. A name in Velero's annotation that is no volume of the pod backs up nothing, while Velero
#   reports the backup as completed: it is flagged, whatever else is declared. Where no data is kept at all,
#   data-store-persists, volume-data-dir-persisted and volume-no-emptydir-data report that and this policy stays silent,
#   because there is nothing to back up yet. Data that can be rebuilt from elsewhere needs no backup: declare it with
#   stategate.io/data-durability: rebuildable, if the profile allows that. A person's time is worth it where someone
#   would miss the data: for data stores, and for workloads that write a claim. Claims for logs, caches, models and
#   downloads and those of web servers, whose files come from elsewhere, do not count, and neither do stores of
#   metrics, logs and traces, which expire by themselves and are hardly ever restored, search indexes that are filled
#   from a database and built again from it, or caches of builds (exclude_engines, exclude_images). Elasticsearch, OpenSearch and Solr may hold the only copy and are asked, except
#   dedicated masters, which hold no index. A Redis that evicts any key when it is full is a cache, and so is one whose
#   name says so (cache_names; the profile regulated does not go by names). Replicas in a StatefulSet of their own, as in Bitnami's charts, are copies: their primary is asked.
#   Directories that belong to the node itself, such as its time zones, are no data.
# related_resources:
# - ref: https://velero.io/docs/main/file-system-backup/
# - ref: https://velero.io/docs/main/api-types/schedule/
# - ref: https://velero.io/docs/main/backup-hooks/
# - ref: https://kubernetes.io/docs/concepts/storage/volume-snapshots/
# - ref: https://typesense.org/docs/guide/syncing-data-into-typesense.html
# - ref: https://docs.sonarsource.com/sonarqube/latest/instance-administration/backup-and-restore/
#   description: The index is dropped and built again from the database.
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, ReplicationController]}
#   inventory: {Schedule.velero.io: optional, CronJob.batch: optional, Service: optional}
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
#       - alertmanager
#       - "jaeger*"
#       - zipkin
#       - "victoria-*"
#       - vtstorage
#       - "sonarqube*"
#       - "trivy-*"
#       - "buildkit*"
#       - "apm-server*"
#       - "*hostpathplugin*"
#       - fabric-tools
#       description: The same, by the last part of the image (globs), for programs that are no data store of the table.
#     cache_names:
#       type: list
#       of: string
#       default: [cache, "cache-*", "*-cache", "*-cache-*"]
#       description: A Redis of such a name (globs) is a cache.
#   fix: >-
#     Annotate stategate.io/backup-method (velero, k10, operator, longhorn, volumesnapshot, cronjob, external, none);
#     for data that can be rebuilt from elsewhere, stategate.io/data-durability: rebuildable.
#   why: "a dropped table, a bad migration or a lost account takes the volume's data with it"
package stategate.backup.backup_declared

import data.stategate.lib.backups
import data.stategate.lib.data_dirs
import data.stategate.lib.globs
import data.stategate.lib.kept_data

declared := input.workload.backup.methods

violation contains v if {
	count(declared) == 0
	kept_data.kept
	not fleeting
	not velero_is_told
	not backups.by_schedule
	not backups.by_job
	not backups.by_sidecar
	not nothing_is_kept
	v := {
		"msg": sprintf(
			"%s %s does not say how its data is backed up: nobody knows whether it can be restored",
			[input.workload.kind, input.workload.name],
		),
		"path": ["metadata", "annotations"],
		"key": "stategate.io/backup-method",
		"fix": remedy,
		"may_arrive": "a CronJob or a Schedule of Velero",
	}
}

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

# Velero looks up each name among the volumes of the pod and, if there is none, goes on without an error.
violation contains v if {
	some named in velero_names
	not named in pod_volumes
	count(pod_volumes) > 0
	v := {
		"msg": sprintf(
			"%s names %s, which is no volume of the pod: Velero reports success without its data",
			[velero_key, named],
		),
		"path": array.concat(input.workload.pods.path, ["metadata", "annotations", velero_key]),
		"key": sprintf("%s %s", [velero_key, named]),
		"fix": sprintf("Name the volume as the pod does: %s", [concat(" or ", meant(named))]),
	}
}

velero_key := "backup.velero.io/backup-volumes"

velero_names contains named if {
	some rough in split(object.get(input.workload.pods.annotations, velero_key, ""), ",")
	named := trim_space(rough)
	named != ""
}

pod_volumes := {volume.name | some volume in input.workload.volumes}

# The volumes of the claim that is named instead, or else all that keep data.
meant(named) := volumes if {
	volumes := {volume.name | some volume in input.workload.volumes; is_claim_of(volume, named)}
	count(volumes) > 0
} else := volumes if {
	volumes := {volume.name | some volume in input.workload.volumes; not volume.source in data_dirs.fleeting}
	count(volumes) > 0
} else := pod_volumes

is_claim_of(volume, named) if volume.claim == named

is_claim_of(volume, named) if startswith(named, sprintf("%s-%s-", [volume.name, input.workload.name]))

# A wrong name is told by itself.
velero_is_told if count(velero_names) > 0

velero_is_told if {
	some key, _ in input.workload.pods.annotations
	regex.match(`^(pre|post)\.hook\.backup\.velero\.io/`, key)
}

remedy := sprintf("Move %s to spec.template.metadata.annotations: Velero reads it on the pods", [velero_key]) if {
	input.workload.annotations[velero_key]
} else := sprintf(
	"Annotate stategate.io/backup-method with %s (none: with stategate.io/skip-reason); if rebuildable, %s",
	[concat(", ", input.parameters.methods), "stategate.io/data-durability: rebuildable"],
)

# It expires, or is built again from elsewhere.
fleeting if input.workload.engine.name in input.parameters.exclude_engines

fleeting if {
	not input.workload.engine
	excluded := input.parameters.exclude_images
	some container in input.workload.containers
	container.role == "main"
	some mount in container.mounts
	kept_data.lasting(mount)
	parts := split(container.image.repository, "/")
	name := parts[count(parts) - 1]
	globs.matches_any(excluded, name)
}

fleeting if {
	a_redis
	names := input.parameters.cache_names
	name := input.workload.name
	globs.matches_any(names, name)
}

# Dedicated masters of Elasticsearch and OpenSearch, as Bitnami's images are told to be one.
fleeting if {
	input.workload.engine.name == "elasticsearch"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	contains(container.image.repository, "bitnami")
	variables := {variable.name: value | some variable in container.env; value := variable.value}
	some product in ["ELASTICSEARCH", "OPENSEARCH"]
	contains(container.image.repository, lower(product))
	lower(variables[sprintf("%s_IS_DEDICATED_NODE", [product])]) in {"yes", "true"}
	roles := {role | some role in split(replace(variables[sprintf("%s_NODE_ROLES", [product])], " ", ""), ",")}
	count(roles & {"master", "cluster_manager"}) > 0
	every role in roles {
		not startswith(role, "data")
	}
}

a_redis if input.workload.engine.name == "redis"

a_redis if {
	not input.workload.engine
	regex.match(`(redis|valkey)`, input.workload.name)
}

fleeting if {
	input.workload.engine.name == "redis"
	some container in input.workload.containers
	container.name == input.workload.engine.container
	text := concat(" ", array.concat(container.command, container.args))
	regex.match(`maxmemory-policy\s+["']?allkeys-`, text)
}

# A copy of its primary.
fleeting if {
	some container in input.workload.containers
	container.name == input.workload.engine.container
	some variable in container.env
	regex.match(`^(POSTGRES|POSTGRESQL|MYSQL|MARIADB|REDIS|VALKEY)_REPLICATION_MODE$`, variable.name)
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

# A disk without a file system is not mounted.
keeps_something if {
	some claim in input.workload.claims
	claim.volume_mode == "Block"
}

reasoned if count(trim_space(input.workload.annotations["stategate.io/skip-reason"])) >= 10
