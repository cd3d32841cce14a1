# StorageClasses that provision nothing: their volumes are made by hand.
package stategate.lib.no_provisioner

# Kubernetes documents kubernetes.io/no-provisioner; any other name that nobody answers to does the same.
provisions_nothing(class) if regex.match(`^([^/]*/)?(no-?provision(er|ing)|none)$`, class.provisioner)
