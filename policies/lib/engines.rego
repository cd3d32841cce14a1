# Which data store runs in which container.
package stategate.lib.engines

# The container's own image tells. If only an annotation does, it means the one main container.
of(container) := container.engine if container.engine != ""

of(container) := input.workload.engine.name if {
	container.engine == ""
	container.role == "main"
	input.workload.engine.container == ""
	count([main | some main in input.workload.containers; main.role == "main"]) == 1
}
