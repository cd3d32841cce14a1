package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"stategate.io/tests/bench/common"
)

func TestWhatProcTells(t *testing.T) {
	stat := "7 (a) b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 5 0 100 0 0"
	used, err := parseUsage(stat, "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
	if err != nil || used.cpu != 3*time.Second || used.resident != 1<<20 || used.peak != 2<<20 {
		t.Fatal(used, err)
	}
	for _, bad := range [][2]string{{"7 (a) S", "VmHWM: 1 kB\nVmRSS: 1 kB\n"}, {stat, "VmHWM: 1 kB\n"}} {
		if used, err := parseUsage(bad[0], bad[1]); err == nil {
			t.Errorf("%v: %v", bad, used)
		}
	}
}

func TestTimesOfThreads(t *testing.T) {
	directory := t.TempDir()
	if found, err := threads(directory); err == nil {
		t.Error(found)
	}
	for thread, text := range map[string]string{"7": "2000 5 1\n", "8": "3000 5 1\n"} {
		if err := common.WriteFile(filepath.Join(directory, thread, "schedstat"), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := threads(directory)
	if err != nil {
		t.Fatal(err)
	}
	// One is new since then, and one has ended.
	before := usage{threads: map[string]time.Duration{"7": 500, "6": 9000}}
	if taken := (usage{threads: found}).since(before); taken != 4500 {
		t.Error(taken)
	}
}

func TestMediansAndRatios(t *testing.T) {
	if found := median([]float64{9, 1, 2}); found != 2 {
		t.Error(found)
	}
	if found := median([]float64{4, 1, 2, 9}); found != 3 {
		t.Error(found)
	}
	// The second round was twice as slow for both.
	if found := *ratio([]float64{100, 50, 90}, []float64{50, 25, 30}); found != 2 {
		t.Error(found)
	}
}

func TestWrongAnswersAreNoResults(t *testing.T) {
	results := make(chan *vegeta.Result, 3)
	began := time.Now()
	results <- &vegeta.Result{Code: 200, Timestamp: began, Latency: time.Millisecond}
	results <- &vegeta.Result{Code: 200, Timestamp: began.Add(time.Second), Latency: 5 * time.Millisecond}
	results <- &vegeta.Result{Code: 429, Error: "429", Timestamp: began.Add(2 * time.Second), Latency: time.Millisecond}
	close(results)
	seen := collect(results, 3*time.Millisecond)
	if seen.requests != 3 || seen.took != 2001*time.Millisecond || seen.late != seen.took {
		t.Error(seen)
	}
	if err := seen.faults(); err == nil || !strings.Contains(err.Error(), "429") {
		t.Error(err)
	}
	if err := (load{}).faults(); err == nil {
		t.Error("nothing was answered, and nobody says so")
	}
}

func TestQuestionsAreJoinedOnlyIfOneInputAnswersAll(t *testing.T) {
	ask := func(rule, input string) question {
		return question{Rule: "data.stategate." + rule, Input: json.RawMessage(input), Answer: json.RawMessage("[]")}
	}
	one := ask("a.b.violation", `{"workload":{"name":"x"},"related":{"pvcs":[]},"parameters":{"limit":1}}`)
	two := ask("a.c.violation", `{"workload":{"name":"x"},"related":{"pdbs":[1]},"parameters":{"limit":2}}`)
	found, err := newCatalogue().reviews([]question{one, two})
	if err != nil || len(found) != 1 || string(found[0].Input["related"]) != `{"pdbs":[1],"pvcs":[]}` {
		t.Fatal(found, err)
	}
	other := ask("a.c.violation", `{"workload":{"name":"y"},"related":{},"parameters":{"limit":2}}`)
	if found, err := newCatalogue().reviews([]question{one, other}); err == nil {
		t.Error("two states in one input", found)
	}
	again := ask("a.b.violation", `{"workload":{"name":"x"},"related":{},"parameters":{"limit":9}}`)
	again.Request = 1
	if found, err := newCatalogue().reviews([]question{one, again}); err == nil {
		t.Error("two values of a parameter", found)
	}
}

func TestParametersMoveIntoData(t *testing.T) {
	policies, made := t.TempDir(), t.TempDir()
	policy := "package stategate.a.b\n\nviolation contains v if {\n\tinput.workload.size > input.parameters.limit\n\tv := {\"msg\": \"m\"}\n}\n"
	if err := common.WriteFile(filepath.Join(policies, "a/b/b.rego"), []byte(policy)); err != nil {
		t.Fatal(err)
	}
	for answer, right := range map[string]bool{`[{"msg":"m"}]`: true, `[]`: false} {
		catalogue := newCatalogue()
		asked := question{
			Rule:  "data.stategate.a.b.violation",
			Input: json.RawMessage(`{"workload":{"size":5},"parameters":{"limit":3}}`), Answer: json.RawMessage(answer),
		}
		reviews, err := catalogue.reviews([]question{asked})
		if err != nil {
			t.Fatal(err)
		}
		if err := catalogue.write(policies, made); err != nil {
			t.Fatal(err)
		}
		once, err := atOnce(reviews, made)
		if err != nil {
			t.Fatal(err)
		}
		single, err := each([]question{asked}, policies)
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range append(once, single...) {
			if err := query.check(); (err == nil) != right {
				t.Errorf("%s: %v", answer, err)
			}
		}
	}
}

func TestMixedTrafficHasItsShares(t *testing.T) {
	traffic := map[string][][]byte{}
	for _, kind := range []string{"re-applied", "naive", "changed", "unmatched"} {
		for number := range 70 {
			traffic[kind] = append(traffic[kind], fmt.Appendf(nil, "%s %d", kind, number))
		}
	}
	counts := map[string]int{}
	for _, body := range mixed(traffic) {
		kind, _, _ := strings.Cut(string(body), " ")
		counts[kind]++
	}
	if counts["re-applied"] != 280 || counts["naive"]+counts["changed"] != 60 || counts["changed"] == 0 || counts["unmatched"] != 60 {
		t.Error(counts)
	}
}

func TestChangesAreUnlike(t *testing.T) {
	changes, err := unlike([][]byte{[]byte(`{"request":{"object":{"metadata":{"name":"a"}}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	aimed := (&target{requests: []request{{"u", changes[0]}, {"u", []byte("as it is")}}}).targeter()
	seen := map[string]int{}
	for range 4 {
		var one vegeta.Target
		if err := aimed(&one); err != nil {
			t.Fatal(err)
		}
		seen[string(one.Body)]++
	}
	if len(seen) != 3 || seen["as it is"] != 2 || seen[string(changes[0])] != 0 {
		t.Error(seen)
	}
	if _, err := unlike([][]byte{[]byte(`{"request":{}}`)}); err == nil {
		t.Error("a change without an object")
	}
}

func TestVerdicts(t *testing.T) {
	uid, allowed, err := verdict([]byte(`{"response":{"uid":"u","allowed":true}}`))
	if uid != "u" || !allowed || err != nil {
		t.Error(uid, allowed, err)
	}
	for _, bad := range []string{`{}`, `{"response":{"uid":"u"}}`, `x`} {
		if _, _, err := verdict([]byte(bad)); err == nil {
			t.Error(bad)
		}
	}
}

func TestReasonsOfRefusals(t *testing.T) {
	refused := func(message string) []byte {
		text, err := json.Marshal(object{"response": object{"uid": "u", "allowed": false, "status": object{"message": message}}})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	opa, gatekeeper := refused("container <a> has x; no [b]"), refused("[raw-b] no [b]\n[raw-a] container <a> has x")
	for _, answer := range [][]byte{opa, gatekeeper} {
		found, err := denialsOf(answer)
		if err != nil || !slices.Equal(slices.Sorted(slices.Values(found)), []string{"container <a> has x", "no [b]"}) {
			t.Errorf("%s: %q, %v", answer, found, err)
		}
		if err := sameDenials([][]string{found}, [][]byte{opa}); err != nil {
			t.Error(err)
		}
	}
	allowed := []byte(`{"response":{"uid":"u","allowed":true}}`)
	if err := sameDenials([][]string{{}}, [][]byte{allowed}); err != nil {
		t.Error(err)
	}
	for _, wrong := range [][][]string{{}, {{}}, {{"no [b]"}}, {{"no [b]", "container <a> has x", "more"}}} {
		if err := sameDenials(wrong, [][]byte{opa}); err == nil {
			t.Errorf("%q passes", wrong)
		}
	}
	if err := sameDenials([][]string{{"more"}}, [][]byte{allowed}); err == nil {
		t.Error("what is allowed was refused")
	}
}

func TestThePoliciesOfUsersAnswerInThisProcess(t *testing.T) {
	work := t.TempDir()
	if err := writeUsers("users", filepath.Join(work, "opa")); err != nil {
		t.Fatal(err)
	}
	const workload = `{"request":{"operation":"CREATE","kind":{"kind":%q},"object":{"kind":%[1]q,"metadata":{"name":"a"},` +
		`"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x:1","livenessProbe":{"exec":{}}}]}}}}}}`
	bodies := fmt.Sprintf(workload, "Deployment") + "\n" + fmt.Sprintf(workload, "ReplicaSet") + "\n"
	if err := common.WriteFile(filepath.Join(work, "bodies"), []byte(bodies)); err != nil {
		t.Fatal(err)
	}
	all, err := usersReviewers(filepath.Join(work, "opa"), filepath.Join(work, "bodies"))
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for number, count := range []int{4, 0} { // three resources, and the readiness probe
		if found, err := all[number](); err != nil || len(found) != count {
			t.Errorf("%d: %q, %v", number, found, err)
		}
	}
}

func TestCoresAreComparedByRound(t *testing.T) {
	library := libraryCase{cpuMicros: []float64{1000, 2000}}
	// The second round was twice as slow for both.
	if found := *ratio([]float64{5000, 2500}, library.perCore()); found != 5 {
		t.Error(found)
	}
}

func TestThePlanNamesWhatThereIs(t *testing.T) {
	servers, cases := map[string]bool{}, map[string]bool{"": true}
	for _, server := range (&bench{}).serverPlans() {
		servers[server.name] = true
	}
	for _, one := range plan() {
		if cases[one.name] {
			t.Errorf("%s is there twice", one.name)
		}
		cases[one.name] = true
	}
	libraries := (&bench{}).libraryPlans("bench")
	for _, one := range libraries {
		if cases[one.name] {
			t.Errorf("%s is there twice", one.name)
		}
		cases[one.name] = true
	}
	for _, one := range libraries {
		if !cases[one.opa] || !cases[one.denies] {
			t.Errorf("%s: no case is called %s, or %s", one.name, one.opa, one.denies)
		}
	}
	for _, one := range plan() {
		if !servers[one.server] {
			t.Errorf("%s: no server is called %s", one.name, one.server)
		}
		named := []string{one.floor, one.opa, one.gatekeeper, one.gatekeeperEngine, one.conftestEngine}
		for _, other := range append(named, one.expect.beside, one.expect.same, one.expect.allows, one.expect.denies) {
			if !cases[other] {
				t.Errorf("%s: no case is called %s", one.name, other)
			}
		}
	}
	if !cases[overloadCase] {
		t.Errorf("no case is called %s", overloadCase)
	}
}

func TestAnswersThatDifferEndTheRun(t *testing.T) {
	allowed, denied := []byte(`{"response":{"uid":"u","allowed":true}}`), []byte(`{"response":{"uid":"u","allowed":false}}`)
	other := &benchCase{evaluated: 30, answers: [][]byte{allowed}}
	others := map[string]*benchCase{"other": other}
	for expect, wrong := range map[*expectation]benchCase{
		{evaluated: exactly(0)}:     {evaluated: 1},
		{beside: "other", more: 20}: {evaluated: 49},
		{same: "other"}:             {answers: [][]byte{denied}},
		{allows: "other"}:           {answers: [][]byte{denied}},
		{denies: "other"}:           {answers: [][]byte{denied}},
		{known: true}:               {unknown: "Node"},
	} {
		wrong.expect = *expect
		if wrong.compare(others) == nil {
			t.Errorf("%+v passes", *expect)
		}
		right := benchCase{casePlan: casePlan{expect: *expect}, evaluated: 50, answers: [][]byte{allowed}}
		if expect.evaluated != nil {
			right.evaluated = *expect.evaluated
		}
		if err := right.compare(others); err != nil {
			t.Errorf("%+v: %v", *expect, err)
		}
	}
}
