package main

import "slices"

// A server is one process that answers, and stays up for the whole run.
type serverPlan struct {
	name string
	// Arguments of `stategate serve`; for OPA and Gatekeeper, what they load.
	arguments []string
	of        product
}

// product is whose server it is.
type product int

const (
	stategate product = iota
	opa
	gatekeeper
)

// A case is one kind of traffic at one server.
type casePlan struct {
	name, server, traffic string
	path                  string
	// The cases that its requests per core are compared with.
	floor, opa, gatekeeper string
	// What evaluates without a server, and is compared as well.
	gatekeeperEngine, conftestEngine string
	expect                           expectation
}

// expectation is what has to be true of the answers, or the case would measure something else.
type expectation struct {
	// How many policies stategate has to evaluate in all for one pass over the traffic; by another case: as many, and
	// so many more for each request.
	evaluated *int
	beside    string
	more      int
	// The case that has to answer exactly the same, or only allow the same, or refuse for the same reasons.
	same, allows, denies string
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
	for _, traffic := range usersTraffic {
		servers, expect := []string{"ten on the raw object"}, expectation{}
		created := slices.Contains(createdTraffic, traffic)
		if created {
			servers = []string{"ten of the catalogue", "ten on the raw object"}
			// An update that leaves what was there before is refused by OPA, and not by stategate.
			expect.allows = "ten on the raw object, " + traffic
		}
		for _, server := range servers {
			one := add(server, traffic, validate, expectation{})
			one.opa, one.gatekeeper = opaUsers+", "+traffic, gatekeeperUsers+", "+traffic
			one.gatekeeperEngine = libraryCaseOf(gatekeeperEngine, traffic)
			if created {
				one.conftestEngine = libraryCaseOf(conftestEngine, traffic)
			}
		}
		add(opaUsers, traffic, "/", expect)
		add(gatekeeperUsers, traffic, "/v1/admit?timeout=10s", expectation{denies: opaUsers + ", " + traffic})
	}
	for _, traffic := range []string{"containers-1", "well-made"} {
		add("OPA, catalogue", traffic, "", expectation{})
	}
	return cases
}

// The policies in users/, by those who answer for them.
const (
	opaUsers         = "OPA, ten on the raw object"
	gatekeeperUsers  = "Gatekeeper, ten on the raw object"
	gatekeeperEngine = "Gatekeeper's engine, ten on the raw object"
	conftestEngine   = "conftest's engine, ten on the raw object"
)

// usersTraffic is what the policies in users/ are asked about. Where all objects are new, they could be those of files,
// which is what conftest is for.
var (
	usersTraffic   = []string{"containers-1", "naive", "mixed"}
	createdTraffic = []string{"containers-1", "naive"}
)

// libraryCaseOf is the name of what evaluates without a server.
func libraryCaseOf(name, traffic string) string { return "library: " + name + ", " + traffic }

// The policies of the catalogue that demand what those in users/ demand.
var ten = []string{
	"probe-readiness-required", "probe-liveness-required", "resources-requests-required", "volume-no-emptydir-data",
	"volume-no-hostpath-data", "image-pinned", "secret-no-literal-env", "termination-grace-period",
	"anti-affinity-required", "topology-spread-zone",
}
