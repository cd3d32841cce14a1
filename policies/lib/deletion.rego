# What a deletion takes along.
package stategate.lib.deletion

# It leaves what the object owns, such as its pods.
orphans if input.review.options.propagationPolicy == "Orphan"

orphans if input.review.options.orphanDependents == true
