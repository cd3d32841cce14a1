# Which data store runs in which container.
package stategate.lib.engines

import data.stategate.lib.kept_data

# Known by the container's own image. If only an annotation names the engine, it means the one main container.
of(container) := container.engine if container.engine != ""

of(container) := input.workload.engine.name if {
	container.engine == ""
	container.role == "main"
	input.workload.engine.container == ""
	count([main | some main in input.workload.containers; main.role == "main"]) == 1
}

# Beside a container that runs a data store, one that runs none is a helper: an exporter, a shipper of logs, a dump.
helper(container) if {
	container.engine == ""
	some other in input.workload.containers
	other.role == "main"
	other.engine != ""
}

# Where no data store is known, those that keep data may be one that the table lacks.
helper(container) if {
	container.engine == ""
	count(keepers) > 0
	count({container.name} & keepers) == 0
}

keepers := {container.name | some container in input.workload.containers; container.role == "main"; kept_data.keeps(container)}
