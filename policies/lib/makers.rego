# Who made the image of a data store: makers lay out their data, and name its owner, in ways of their own.
package stategate.lib.makers

# Old and new maker, if both are known and not the same.
change := {"old": old, "new": new} if {
	input.old_workload.engine.name == input.workload.engine.name
	old := of(input.old_workload)
	new := of(input.workload)
	old != new
}

# Of the container that runs the engine; undefined for images that nobody here knows.
of(workload) := maker if {
	some container in workload.containers
	container.name == workload.engine.container
	image := container.image
	maker := named(concat("/", [image.registry, image.repository]), workload.engine.name)
}

named(image, engine) := maker if {
	some i, row in rows
	regex.match(row.image, image)
	object.get(row, "engine", engine) == engine
	every earlier in array.slice(rows, 0, i) {
		not matches(earlier, image, engine)
	}
	maker := row.maker
}

matches(row, image, engine) if {
	regex.match(row.image, image)
	object.get(row, "engine", engine) == engine
}

# The first row that matches wins. `upstream` is the official image, and those that are built on it.
rows := [
	{"image": `bitnami[^/]*/`, "maker": "Bitnami"},
	{"image": `/(rhel[0-9]+|sclorg|centos)/`, "maker": "Red Hat"},
	{"image": `/spilo-[^/]*$`, "maker": "Spilo", "engine": "postgres"},
	{"image": `/crunchy-postgres[^/]*$`, "maker": "Crunchy", "engine": "postgres"},
	{"image": `/timescaledb-ha$`, "maker": "timescaledb-ha", "engine": "postgres"},
	{"image": `/library/[^/]+$`, "maker": "upstream"},
	{
		"image": `/(postgis/postgis|pgvector/pgvector|timescale/timescaledb)$`,
		"maker": "upstream",
		"engine": "postgres",
	},
	{
		"image": `/(apache/kafka|elasticsearch/elasticsearch|opensearchproject/opensearch|coreos/etcd|valkey/valkey|minio/minio)$`,
		"maker": "upstream",
	},
	{
		"image": `/(etcd-development/etcd|clickhouse/clickhouse-server|hashicorp/(consul|vault)|prom/prometheus)$`,
		"maker": "upstream",
	},
]
