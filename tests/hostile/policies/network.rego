# expect: http.send is not allowed
# METADATA
# title: T
# description: D.
# custom: {severity: high, action: deny, match: {kinds: [StatefulSet.apps]}, fix: F}
package stategate.hostile.network

violation contains {"msg": "x", "path": ["spec"]} if {
	http.send({"method": "GET", "url": "http://example.com"}).status_code == 200
}
