module stategate.io/tests/cluster/tools/crds

go 1.26.0

require (
	github.com/kyverno/kyverno v1.13.4 // indirect
	github.com/openreports/reports-api v0.2.1 // indirect
)
