# METADATA
# title: A data store keeps the maker of its image
# description: >-
#   Images of one version of a database differ by their maker: they run as another user, keep the data in another
#   directory of the volume, and some keep configuration outside of it that others need inside. On the volume of the
#   other image, the database does not start, or it finds nothing and starts empty. This policy flags an update whose
#   image comes from another known maker: Bitnami, Red Hat, Zalando (Spilo), Crunchy, and the upstream project with the
#   images that are built on its own. Mirrors keep the maker that their path shows; images of unknown makers are not
#   compared. MySQL and MariaDB, and new major versions, are the matter of image-major-upgrade-guard. Data that goes
#   with the old pods meets no other image.
# related_resources:
# - ref: https://kubernetes.io/docs/concepts/containers/images/#image-names
# - ref: https://github.com/bitnami/containers/tree/main/bitnami/postgresql#persisting-your-database
# - ref: https://github.com/docker-library/docs/blob/master/postgres/README.md#arbitrary---user-notes
# - ref: https://github.com/bitnami/containers/tree/main/bitnami/mysql#persisting-your-database
# custom:
#   severity: high
#   action: deny
#   match: {kinds: [StatefulSet.apps, Deployment.apps, DaemonSet.apps], operations: [UPDATE]}
#   ratchet: false
#   fix: >-
#     Save the data with the old image and load them into a new workload with volumes of its own. If the files are
#     prepared for the new image: kubectl annotate KIND NAME stategate.io/confirm-version-change='OLD->NEW'
#   why: "the database does not start on the other image's files, or starts empty beside them"
package stategate.lifecycle.image_maker_change

import data.stategate.lib.confirm
import data.stategate.lib.dumps
import data.stategate.lib.makers
import data.stategate.lib.pod_data
import data.stategate.lib.versions

violation contains v if {
	change := makers.change
	not pod_data.gone
	not other_software
	step := sprintf("%s->%s", [change.old, change.new])
	why := confirm.missing(input.workload, versions.confirmation, step)
	v := {
		"msg": sprintf(
			"the image of %s changes its maker (%s): %s, and %s",
			[input.workload.engine.name, step, consequence(input.workload.engine.name, step), why],
		),
		"path": input.workload.engine.path,
		"fix": sprintf(
			"Save the data with the old image (%s), and load them into a new %s with volumes of its own; if %s, confirm: %s",
			[
				dumps.with_tool(input.workload.engine.name),
				input.workload.kind,
				prepared(input.workload.engine.name, step),
				confirm.command(lower(input.workload.kind), input.workload, versions.confirmation, step),
			],
		),
	}
}

consequence("postgres", "Bitnami->upstream") := concat(" ", [
	"Bitnami's keeps postgresql.conf and pg_hba.conf outside the data directory,",
	"without which the upstream image does not start",
])

consequence(engine, step) := "images of the two mostly keep the data in other directories, under other users" if {
	[engine, step] != ["postgres", "Bitnami->upstream"]
}

prepared("postgres", "Bitnami->upstream") := concat(" ", [
	"PGDATA names the same directory of the volume",
	"and you have put both files into it, without what only Bitnami's image has (pgaudit, include_dir)",
])

prepared(engine, step) := "the data are in the new image's directory and belong to its user" if {
	[engine, step] != ["postgres", "Bitnami->upstream"]
}

# MySQL and MariaDB are checked elsewhere.
other_software if {
	input.workload.engine.name == "mysql"
	contains(versions.software(input.workload), "mariadb") != contains(versions.software(input.old_workload), "mariadb")
}
