# Claims that this request asks for: templates, and claims that are applied on their own.
package stategate.lib.requested_claims

# The users that create claims from the templates of StatefulSets; the second where controllers share one user.
makers := {"system:serviceaccount:kube-system:statefulset-controller", "system:kube-controller-manager"}

requested contains claim if {
	some claim in input.workload.claims
	claim.origin == "template"
}

# The template of a claim that a StatefulSet creates was checked already: another replica must not fail where the
# template only warned.
requested contains claim if {
	some claim in input.workload.claims
	claim.origin == "object"
	not from_template
}

from_template if input.review.userInfo.username in makers
