# Which data store runs in which container.
package stategate.lib.engines

# Known by the container's own image. If only an annotation names the engine, it means the one main container.
of(container) := container.engine if container.engine != ""

of(container) := input.workload.engine.name if {
	container.engine == ""
	container.role == "main"
	input.workload.engine.container == ""
	count([main | some main in input.workload.containers; main.role == "main"]) == 1
}
