package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"stategate.io/tests/bench/common"
)

// workers ask again as soon as they have an answer: enough to keep two cores busy, as API servers with many writers do.
const workers = 16

// bench is one run.
type bench struct {
	settings
	traffic   map[string][][]byte
	reviews   map[string][]review
	servers   map[string]*server
	cases     []*benchCase
	libraries []*libraryCase
	sizes     []size
	overloads *overload
	loads     []string
	started   time.Time
	objects   int
}

type server struct {
	*process
	client *http.Client
	url    string
	of     product
}

type benchCase struct {
	casePlan
	target target
	rounds []round
	// What one pass over the traffic was answered.
	evaluated int
	unknown   string
	allowed   int
	protocol  string
	answers   [][]byte
}

// round is what one round measured.
type round struct {
	perSecond, perCore, cpuMicros float64
	offered, median, p99          float64
	resident                      uint64
}

// libraryCase is a program that evaluates without a server.
type libraryCase struct {
	libraryPlan
	process   *process
	cpuMicros []float64
	questions int
	resident  uint64
}

// libraryPlan says how such a program is run.
type libraryPlan struct {
	name string
	// The one that its time is compared with.
	opa       string
	arguments []string
	// The case of a server that has to refuse for the same reasons. What it refuses is then the first that it prints.
	denies string
}

func storeOf(data map[string]any) storage.Store { return inmem.NewFromObject(data) }

func (b *bench) stop() {
	for _, server := range b.servers {
		server.stop()
	}
	for _, library := range b.libraries {
		library.process.stop()
	}
}

func (b *bench) say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "benchmark: "+format+"\n", arguments...)
}

// prepare makes all inputs, starts all processes, and makes sure that each case does what it is to measure.
func (b *bench) prepare() error {
	b.started = time.Now()
	b.say("making requests, policies and objects")
	if err := b.makeTraffic(); err != nil {
		return err
	}
	b.say("starting servers")
	if err := b.startServers(); err != nil {
		return err
	}
	if err := b.startLibraries(); err != nil {
		return err
	}
	for _, planned := range plan() {
		one := &benchCase{casePlan: planned}
		server := b.servers[planned.server]
		one.target = target{client: server.client}
		if planned.server == "OPA, catalogue" {
			for _, review := range b.reviews[planned.traffic] {
				body, err := json.Marshal(map[string]any{"input": review.Input})
				if err != nil {
					return err
				}
				one.target.requests = append(one.target.requests, request{server.url + "/v1/data/bench/" + review.Entry, body})
			}
		} else {
			for _, body := range b.traffic[planned.traffic] {
				one.target.requests = append(one.target.requests, request{server.url + planned.path, body})
			}
		}
		b.cases = append(b.cases, one)
	}
	b.say("asking each of them each request once, to compare the answers")
	return b.check()
}

func (b *bench) run(program string, arguments ...string) ([]byte, error) {
	command := exec.Command(program, arguments...)
	command.Env = append(os.Environ(), "RUST_LIB_BACKTRACE=0")
	output, err := command.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		return nil, fmt.Errorf("%s %s: %w\n%s", program, strings.Join(arguments, " "), err, failed.Stderr)
	}
	return output, err
}

func (b *bench) path(names ...string) string {
	return filepath.Join(append([]string{b.work}, names...)...)
}

// users is where the policies are that are written as users of OPA write them.
func (b *bench) users() string { return filepath.Join(b.root, "tests/bench/users") }

// reviewsOf is the file with one kind of traffic.
func (b *bench) reviewsOf(kind string) string { return b.path("traffic", kind+".jsonl") }

func (b *bench) makeTraffic() error {
	if _, err := b.run(b.questions, "traffic", b.path("traffic")); err != nil {
		return err
	}
	for _, kind := range append(slices.Clone(kinds), "changed") {
		if kind == "mixed" {
			continue
		}
		bodies, err := common.ReadBodies(b.reviewsOf(kind))
		if err != nil {
			return err
		}
		b.traffic[kind] = bodies
	}
	if changed, err := unlike(b.traffic["changed"]); err != nil {
		return err
	} else {
		b.traffic["changed"] = changed
	}
	b.traffic["mixed"] = mixed(b.traffic)
	if err := common.WriteFile(b.reviewsOf("mixed"), bytes.Join(b.traffic["mixed"], []byte("\n"))); err != nil {
		return err
	}
	catalogue := newCatalogue()
	b.reviews = map[string][]review{}
	for _, kind := range libraryTraffic {
		recorded, err := b.run(b.questions, "record", b.reviewsOf(kind))
		if err != nil {
			return err
		}
		if err := common.WriteFile(b.path("library", kind, "questions.jsonl"), recorded); err != nil {
			return err
		}
		questions, err := readQuestions(b.path("library", kind, "questions.jsonl"))
		if err != nil {
			return err
		}
		if b.reviews[kind], err = catalogue.reviews(questions); err != nil {
			return err
		}
		if len(b.reviews[kind]) != len(b.traffic[kind]) {
			return fmt.Errorf("%s: %d of %d requests ask something, so OPA would do less", kind, len(b.reviews[kind]), len(b.traffic[kind]))
		}
	}
	if err := catalogue.write(filepath.Join(b.root, "policies"), b.path("opa")); err != nil {
		return err
	}
	if err := writeUsers(b.users(), b.path("opa-users")); err != nil {
		return err
	}
	for name, counts := range map[string][2]int{"own-20": {20, 0}, "own-1000": {20, 980}, "none": {0, 1}, "one": {1, 0}} {
		if err := writeOwn(b.path(name), counts[0], counts[1]); err != nil {
			return err
		}
	}
	only := fmt.Sprintf("apiVersion: stategate.io/v1alpha1\nkind: PolicyBinding\nmetadata: {name: ten}\n"+
		"spec: {policies: {exclude: [%s]}, match: {}, override: true, action: \"off\"}\n", strings.Join(ten, ", "))
	if err := common.WriteFile(b.path("ten.yaml"), []byte(only)); err != nil {
		return err
	}
	var err error
	b.objects, err = writeInventory(b.path("inventory.json"))
	return err
}

// serverPlans are all servers.
func (b *bench) serverPlans() []serverPlan {
	own := func(name string) []string { return []string{"--policies", b.path(name)} }
	return []serverPlan{
		{name: envelope, arguments: append(own("none"), "--no-catalogue")},
		{name: view, arguments: append(own("one"), "--no-catalogue")},
		{name: "catalogue"},
		{name: "catalogue, interpreter", arguments: []string{"--engine", "interpreter"}},
		{name: "catalogue and 20 own", arguments: own("own-20")},
		{name: "catalogue and 1,000 own, 20 match", arguments: own("own-1000")},
		{name: "catalogue and 10,000 objects", arguments: []string{"--inventory", b.path("inventory.json")}},
		{name: "ten of the catalogue", arguments: []string{"--bindings", b.path("ten.yaml")}},
		{name: "ten on the raw object", arguments: []string{"--policies", b.users(), "--no-catalogue"}},
		{name: "OPA, catalogue", of: opa, arguments: []string{b.path("opa")}},
		{name: opaUsers, of: opa, arguments: []string{b.path("opa-users")}},
		{name: gatekeeperUsers, of: gatekeeper, arguments: []string{b.users()}},
	}
}

func (b *bench) startServers() error {
	cert, key, roots, err := certificate(b.work)
	if err != nil {
		return err
	}
	for _, planned := range b.serverPlans() {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		status, err := freeAddress()
		if err != nil {
			return err
		}
		program, arguments := b.stategate, append([]string{
			"serve", "--listen", address, "--status-listen", status, "--tls-cert", cert, "--tls-key", key,
			"--log-format", "json",
		}, planned.arguments...)
		switch planned.of {
		case opa:
			program, arguments = b.opa, append([]string{
				"run", "--server", "--addr", "https://" + address, "--tls-cert-file", cert, "--tls-private-key-file", key,
				"--log-level", "error", "--disable-telemetry",
			}, planned.arguments...)
		case gatekeeper:
			program, arguments = b.peers, append([]string{"gatekeeper-server", address, b.work}, planned.arguments...)
		}
		started, err := start(planned.name, program, arguments...)
		if err != nil {
			return err
		}
		b.servers[planned.name] = &server{started, newClient(roots), "https://" + address, planned.of}
	}
	for _, server := range b.servers {
		if err := server.ready(server.client, server.url+"/health"); err != nil {
			return err
		}
	}
	return nil
}

// libraryTraffic is what is evaluated without a server, too: requests of one state, which OPA can be asked at once.
var libraryTraffic = []string{"containers-1", "well-made"}

// libraryPlans are all programs that evaluate without a server.
func (b *bench) libraryPlans(self string) []libraryPlan {
	policies := filepath.Join(b.root, "policies")
	var plans []libraryPlan
	for _, kind := range libraryTraffic {
		reviews, directory := b.reviewsOf(kind), b.path("library", kind)
		all := libraryCaseOf("OPA, all policies in one query", kind)
		plans = append(plans,
			libraryPlan{name: libraryCaseOf("evaluation", kind), opa: all,
				arguments: []string{b.questions, "evaluate", reviews, "compiled"}},
			libraryPlan{name: libraryCaseOf("evaluation, interpreter", kind), opa: all,
				arguments: []string{b.questions, "evaluate", reviews, "interpreter"}},
			libraryPlan{name: libraryCaseOf("whole review from body to response", kind),
				arguments: []string{b.questions, "review", reviews, "compiled"}},
			libraryPlan{name: all, arguments: []string{self, "opa-library", "at-once", directory, policies}},
			libraryPlan{name: libraryCaseOf("OPA, a query for each policy", kind),
				arguments: []string{self, "opa-library", "each", directory, policies}},
		)
	}
	for _, kind := range usersTraffic {
		reviews, denies := b.reviewsOf(kind), opaUsers+", "+kind
		opa := libraryCaseOf(opaUsers, kind)
		plans = append(plans,
			libraryPlan{name: opa, denies: denies, arguments: []string{self, "opa-users", b.path("opa-users"), reviews}},
			libraryPlan{name: libraryCaseOf(gatekeeperEngine, kind), opa: opa, denies: denies,
				arguments: []string{b.peers, "gatekeeper", b.users(), reviews}},
		)
		if slices.Contains(createdTraffic, kind) {
			plans = append(plans, libraryPlan{name: libraryCaseOf(conftestEngine, kind), opa: opa, denies: denies,
				arguments: []string{b.peers, "conftest", b.users(), reviews}})
		}
	}
	return plans
}

func (b *bench) startLibraries() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for _, planned := range b.libraryPlans(self) {
		started, err := start(planned.name, planned.arguments[0], planned.arguments[1:]...)
		if err != nil {
			return err
		}
		b.libraries = append(b.libraries, &libraryCase{libraryPlan: planned, process: started})
	}
	return nil
}

// check asks each case each request once.
func (b *bench) check() error {
	byName := map[string]*benchCase{}
	for _, one := range b.cases {
		byName[one.name] = one
		if err := b.ask(one); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	for _, one := range b.cases {
		if err := one.compare(byName); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	for _, one := range b.libraries {
		if one.denies == "" {
			continue
		}
		var found [][]string
		if err := one.process.read(&found); err != nil {
			return err
		}
		if err := sameDenials(found, byName[one.denies].answers); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

func (b *bench) ask(one *benchCase) error {
	server := b.servers[one.server]
	server.log.want(true)
	defer server.log.want(false)
	for number, request := range one.target.requests {
		response, err := server.client.Post(request.url, "application/json", bytes.NewReader(request.body))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, server.log.last())
		}
		text, err := io.ReadAll(response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		// OPA's server has no HTTP/2 over TLS.
		if response.StatusCode != http.StatusOK || (response.ProtoMajor != 2 && server.of != opa) {
			return fmt.Errorf("%s %s: %s", response.Proto, response.Status, text)
		}
		one.protocol = response.Proto
		one.answers = append(one.answers, text)
		if one.server == "OPA, catalogue" {
			if err := sameAnswers(text, b.reviews[one.traffic][number].Expected); err != nil {
				return err
			}
			continue
		}
		uid, allowed, err := verdict(text)
		if err != nil {
			return err
		}
		asked, err := uidOf(request.body)
		if err != nil {
			return err
		}
		if asked != uid {
			return fmt.Errorf("the answer is about %s, not %s", uid, asked)
		}
		if allowed {
			one.allowed++
		}
		if server.of != stategate {
			continue
		}
		logged, err := server.log.review(uid)
		if err != nil {
			return err
		}
		one.evaluated += logged.Evaluated
		if logged.Unknown != "" {
			one.unknown = logged.Unknown
		}
	}
	return nil
}

// compare holds the answers to what is expected of the case.
func (c *benchCase) compare(others map[string]*benchCase) error {
	expect := c.expect
	if expect.evaluated != nil && c.evaluated != *expect.evaluated {
		return fmt.Errorf("%d policies were evaluated, not %d", c.evaluated, *expect.evaluated)
	}
	if beside := others[expect.beside]; beside != nil && c.evaluated != beside.evaluated+expect.more {
		return fmt.Errorf("%d policies were evaluated, not %d more than %d", c.evaluated, expect.more, beside.evaluated)
	}
	if expect.known && c.unknown != "" {
		return fmt.Errorf("policies lack objects: %s", c.unknown)
	}
	if denies := others[expect.denies]; denies != nil {
		var found [][]string
		for _, answer := range c.answers {
			refused, err := denialsOf(answer)
			if err != nil {
				return err
			}
			found = append(found, refused)
		}
		return sameDenials(found, denies.answers)
	}
	for number, answer := range c.answers {
		if same := others[expect.same]; same != nil && !bytes.Equal(answer, same.answers[number]) {
			return fmt.Errorf("the answer is %s, and that of %s is %s", answer, expect.same, same.answers[number])
		}
		if allows := others[expect.allows]; allows != nil {
			_, own, err := verdict(answer)
			_, other, otherErr := verdict(allows.answers[number])
			if err := errors.Join(err, otherErr); err != nil {
				return err
			}
			if own != other {
				return fmt.Errorf("the answer is %s, and that of %s is %s", answer, expect.allows, allows.answers[number])
			}
		}
	}
	return nil
}

func sameAnswers(text []byte, expected map[string]json.RawMessage) error {
	var answered struct{ Result any }
	if err := json.Unmarshal(text, &answered); err != nil {
		return err
	}
	wanted, err := plain(expected)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(sorted(answered.Result), sorted(wanted)) {
		return fmt.Errorf("OPA answers %v instead of %v", answered.Result, wanted)
	}
	return nil
}

// verdict is what an AdmissionReview answers.
func verdict(text []byte) (string, bool, error) {
	var answered struct {
		Response *struct {
			UID     string
			Allowed *bool
		}
	}
	if err := json.Unmarshal(text, &answered); err != nil {
		return "", false, err
	}
	if answered.Response == nil || answered.Response.Allowed == nil {
		return "", false, fmt.Errorf("%s is no answer", text)
	}
	return answered.Response.UID, *answered.Response.Allowed, nil
}

// denialsOf is what an answer refuses for: OPA's, as usersMain joins it, or Gatekeeper's, which has a line for each
// reason, with the constraint before it.
func denialsOf(text []byte) ([]string, error) {
	_, allowed, err := verdict(text)
	if err != nil || allowed {
		return nil, err
	}
	var answered struct {
		Response struct{ Status struct{ Message string } }
	}
	if err := json.Unmarshal(text, &answered); err != nil {
		return nil, err
	}
	var denials []string
	for line := range strings.SplitSeq(answered.Response.Status.Message, "\n") {
		for denial := range strings.SplitSeq(line, "; ") {
			denials = append(denials, constraintName.ReplaceAllString(denial, ""))
		}
	}
	return denials, nil
}

var constraintName = regexp.MustCompile(`^\[[a-z-]+\] `)

// sameDenials compares what is refused with what a server answered, in any order.
func sameDenials(found [][]string, answers [][]byte) error {
	if len(found) != len(answers) {
		return fmt.Errorf("%d requests were judged, not %d", len(found), len(answers))
	}
	for number, answer := range answers {
		wanted, err := denialsOf(answer)
		if err != nil {
			return err
		}
		if own := slices.Sorted(slices.Values(found[number])); !slices.Equal(own, slices.Sorted(slices.Values(wanted))) {
			return fmt.Errorf("request %d is refused for %q, and by OPA for %q", number, own, wanted)
		}
	}
	return nil
}

// uidOf is what an AdmissionReview asks about.
func uidOf(body []byte) (string, error) {
	var asked struct{ Request struct{ UID string } }
	err := json.Unmarshal(body, &asked)
	return asked.Request.UID, err
}
