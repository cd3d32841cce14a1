package main

// A server is one process that answers, and stays up for the whole run.
type serverPlan struct {
	name string
	// Arguments of `stategate serve`; for OPA, what it loads.
	arguments []string
	opa       bool
}

// A case is one kind of traffic at one server.
type casePlan struct {
	name, server, traffic string
	path                  string
	// The case that its requests per core are compared with.
	floor, opa string
	expect     expectation
}

// expectation is what has to be true of the answers, or the case would measure something else.
type expectation struct {
	// How many policies stategate has to evaluate in all for one pass over the traffic; by another case: as many, and
	// so many more for each request.
	evaluated *int
	beside    string
	more      int
	// The case that has to answer exactly the same, or only allow the same.
	same, allows string
	// All kinds that policies need have to be known.
	known bool
}

const (
	validate = "/validate/fail?timeout=10s"
	envelope = "floor: envelope"
	view     = "floor: one policy"
)

// The kinds of traffic that whole catalogues are measured with.
var kinds = []string{
	"containers-1", "containers-4", "containers-16", "naive", "well-made", "stateless", "re-applied", "unmatched", "mixed",
}

func exactly(count int) *int { return &count }

// plan is everything that is measured, in the order of the table.
func plan() []casePlan {
	var cases []casePlan
	add := func(server, traffic, path string, expect expectation) *casePlan {
		one := casePlan{name: server + ", " + traffic, server: server, traffic: traffic, path: path, expect: expect}
		one.floor = envelope + ", " + traffic
		cases = append(cases, one)
		return &cases[len(cases)-1]
	}
	for _, traffic := range kinds {
		add(envelope, traffic, validate, expectation{evaluated: exactly(0)})
	}
	add(view, "containers-1", validate, expectation{evaluated: exactly(1)})
	add(view, "mixed", validate, expectation{})
	for _, traffic := range kinds {
		expect := expectation{}
		if traffic == "unmatched" || traffic == "stateless" {
			expect.evaluated = exactly(0)
		}
		one := add("catalogue", traffic, validate, expect)
		if traffic == "containers-1" || traffic == "well-made" {
			one.opa = "OPA, catalogue, " + traffic
		}
	}
	for _, traffic := range []string{"containers-1", "well-made", "mixed"} {
		one := add("catalogue, interpreter", traffic, validate, expectation{same: "catalogue, " + traffic})
		if traffic != "mixed" {
			one.opa = "OPA, catalogue, " + traffic
		}
	}
	for _, server := range []string{"catalogue and 20 own", "catalogue and 1,000 own, 20 match"} {
		add(server, "containers-1", validate, expectation{beside: "catalogue, containers-1", more: 20})
		add(server, "mixed", validate, expectation{})
	}
	add("catalogue and 10,000 objects", "containers-1", validate, expectation{known: true})
	add("catalogue and 10,000 objects", "mixed", validate, expectation{known: true})
	for _, traffic := range []string{"containers-1", "naive"} {
		opa := "OPA, ten on the raw object, " + traffic
		add("ten of the catalogue", traffic, validate, expectation{}).opa = opa
		add("ten on the raw object", traffic, validate, expectation{}).opa = opa
		add("OPA, ten on the raw object", traffic, "/", expectation{allows: "ten on the raw object, " + traffic})
	}
	for _, traffic := range []string{"containers-1", "well-made"} {
		add("OPA, catalogue", traffic, "", expectation{})
	}
	return cases
}

// The policies of the catalogue that demand what those in users/ demand.
var ten = []string{
	"probe-readiness-required", "probe-liveness-required", "resources-requests-required", "volume-no-emptydir-data",
	"volume-no-hostpath-data", "image-pinned", "secret-no-literal-env", "termination-grace-period",
	"anti-affinity-required", "topology-spread-zone",
}
