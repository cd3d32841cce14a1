# Claims that somebody asks for with this request: templates, and claims that are applied by themselves.
package stategate.lib.requested_claims

# Who makes claims from the templates of StatefulSets; the second if controllers have no names of their own.
makers := {"system:serviceaccount:kube-system:statefulset-controller", "system:kube-controller-manager"}

requested contains claim if {
	some claim in input.workload.claims
	claim.origin == "template"
}

# The template of a claim that a StatefulSet makes was judged: a replica more must not fail where it only warned.
requested contains claim if {
	some claim in input.workload.claims
	claim.origin == "object"
	not from_template
}

from_template if input.review.userInfo.username in makers
