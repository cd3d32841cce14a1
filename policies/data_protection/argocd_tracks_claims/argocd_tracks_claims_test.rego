package stategate.data_protection.argocd_tracks_claims_test

import data.stategate.data_protection.argocd_tracks_claims as policy

request(labels, annotations, own) := {"workload": {
	"name": "queue",
	"namespace": "shop",
	"annotations": own,
	"claims": [{"name": "data", "origin": "template", "path": ["t", 0], "labels": labels, "annotations": annotations}],
}}

tracked := {"argocd.argoproj.io/instance": "shop"}

found(document) := violations if violations := policy.violation with input as document

test_the_label_fails if {
	some v in found(request(tracked, {}, {}))
	contains(v.msg, "claims of template data count as parts of Application shop")
	contains(v.fix, "kubectl label pvc -n shop data-queue-N argocd.argoproj.io/instance-")
	v.path == ["t", 0, "metadata", "labels", "argocd.argoproj.io/instance"]
}

test_a_label_that_charts_set_passes if found(request({"app.kubernetes.io/instance": "shop"}, {}, {})) == set()

test_claims_that_are_kept_pass if {
	found(request(tracked, {"argocd.argoproj.io/sync-options": "Prune=false, Delete=false"}, {})) == set()
	count(found(request(tracked, {"argocd.argoproj.io/sync-options": "Prune=false"}, {}))) == 1
}

test_tracking_by_annotation_passes if {
	found(request(tracked, {}, {"argocd.argoproj.io/tracking-id": "shop:apps/StatefulSet:shop/queue"})) == set()
}
