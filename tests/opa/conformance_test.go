package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/test/cases"
)

const someCases = `cases:
- note: few/plain
  query: data.test.p = x
  modules: ["package test\n\np contains x if {\n\tsome x in input.list\n}\n"]
  input: {list: [2, 1]}
  want_result: [{x: [1, 2]}]
- note: few/output argument
  query: data.test.p = x
  modules: ["package test\n\np := x if {\n\tcount(input.list, y)\n\tx = y\n}\n"]
  input: {list: [2, 1]}
  want_result: [{x: 2}]
- note: few/undefined
  query: data.test.p = x
  modules: ["package test\n\np if {\n\tfalse\n}\n"]
  want_result: []
- note: few/lenient
  query: data.test.p = x
  modules: ["package test\n\np := to_number(\"a\")\n"]
  want_result: []
- note: few/another query
  query: data.test.p[x]
  modules: ["package test\n\np := [1]\n"]
  want_result: [{x: 0}]
- note: few/input
  query: data.test.p = x
  modules: ["package test\n\np := input.a\n"]
  input_term: '{"a": {1}}'
  want_result: [{x: [1]}]
- note: few/own builtin
  query: data.test.p = x
  modules: ["package test\n\np := test.sleep(\"1s\")\n"]
  want_result: []
`

// fewQuestions are the questions of someCases.
func fewQuestions(t *testing.T) map[string]caseQuestion {
	t.Helper()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "few.yaml"), []byte(someCases), 0o600); err != nil {
		t.Fatal(err)
	}
	found, left, err := questions(t.Context(), directory)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 3 {
		t.Errorf("not asked: %v", left)
	}
	byName := map[string]caseQuestion{}
	for _, question := range found {
		byName[question.Case] = question
	}
	return byName
}

func TestCasesBecomeQuestions(t *testing.T) {
	found := fewQuestions(t)
	if len(found) != 4 {
		t.Errorf("%v", found)
	}
	plain := found["few/plain"]
	if plain.Rule != "data.test.p" || fmt.Sprint(plain.Input) != "map[list:[2 1]]" || string(plain.Want.Answer) != "[1,2]" || plain.Plainer != nil {
		t.Errorf("%+v", plain)
	}
	if undefined := found["few/undefined"]; undefined.Want.Answer != nil || undefined.Want.Kind != "" || fmt.Sprint(undefined.Input) != "map[]" {
		t.Errorf("%+v", undefined)
	}
}

func TestABuiltinThatFailsIsWantedToFail(t *testing.T) {
	if lenient := fewQuestions(t)["few/lenient"]; lenient.Want.Kind != "eval_builtin_error" {
		t.Errorf("%+v", lenient)
	}
}

func TestOutputArgumentsAndUnificationAreRewritten(t *testing.T) {
	plainer := fewQuestions(t)["few/output argument"].Plainer
	if len(plainer) != 1 || !strings.Contains(plainer[0], "y := count(input.list)\n\tx := y\n") {
		t.Errorf("%q", plainer)
	}
}

func TestWhatOPAWouldAnswerDifferentlyIsNotRewritten(t *testing.T) {
	for name, body := range map[string]string{
		"a parameter": "f(y) if {\n\ty = 1\n}\n\np if f(1)\n",
		"an element":  "p if {\n\t[1, y] = [z, 2]\n\ty > z\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			test := cases.TestCase{Note: name, Query: "data.test.p = x", Modules: []string{"package test\n\n" + body}}
			answer, err := evaluate(t.Context(), test, test.Modules, nil)
			if err != nil {
				t.Fatal(err)
			}
			rewritten, err := plainer(t.Context(), test, nil, answer)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.Join(rewritten, ""), ":= [z") || strings.Contains(strings.Join(rewritten, ""), "y := 1") {
				t.Errorf("%q", rewritten)
			}
		})
	}
}

func TestWhatACaseWants(t *testing.T) {
	two := []map[string]any{{"x": 1}, {"x": 2}}
	if _, err := want(cases.TestCase{WantResult: &two}); err == nil {
		t.Error("a rule has one value")
	}
	if _, err := want(cases.TestCase{}); err == nil {
		t.Error("it wants nothing")
	}
	code := "eval_conflict_error"
	if said, err := want(cases.TestCase{WantErrorCode: &code}); err != nil || said.Kind != code {
		t.Errorf("%v %v", said, err)
	}
}

func TestADirectoryWithoutCasesEndsTheRun(t *testing.T) {
	if _, _, err := questions(t.Context(), t.TempDir()); err == nil {
		t.Error("nothing was asked, and nothing was said")
	}
}

func answered(text string) *said { return &said{Answer: []byte(text)} }

func TestConformance(t *testing.T) {
	question := caseQuestion{Case: "few/plain", Rule: "data.test.p", Want: said{Answer: []byte("[1, 2]")}}
	failed := caseQuestion{Case: "few/plain", Want: said{Kind: "eval_conflict_error"}}
	listed := map[string][]string{"it differs": {"few/plain"}}
	fault, other := &said{Kind: "conflict", Error: "there"}, &said{Kind: "conflict", Error: "here"}
	for name, c := range map[string]struct {
		question  caseQuestion
		answer    caseAnswer
		explained map[string][]string
		least     int
		want      string
	}{
		"equal":                        {question, caseAnswer{Compiled: answered("[2, 1.0]"), Interpreted: answered("[1,2]")}, nil, 1, ""},
		"both fail":                    {failed, caseAnswer{Compiled: fault, Interpreted: fault}, nil, 1, ""},
		"another value":                {question, caseAnswer{Compiled: answered("[1]"), Interpreted: answered("[1]")}, nil, 1, "the case:  [1, 2]"},
		"undefined":                    {question, caseAnswer{Compiled: &said{}, Interpreted: &said{}}, nil, 1, "stategate: undefined"},
		"a failure":                    {question, caseAnswer{Compiled: fault, Interpreted: fault}, nil, 1, "stategate: error: conflict: there"},
		"no failure":                   {failed, caseAnswer{Compiled: answered("1"), Interpreted: answered("1")}, nil, 1, "the case:  error: eval_conflict"},
		"unlike the interpreter":       {question, caseAnswer{Compiled: answered("[1,2]"), Interpreted: answered("[1]")}, nil, 1, "interpreted: [1]"},
		"a failure at another place":   {failed, caseAnswer{Compiled: fault, Interpreted: other}, nil, 1, "interpreted: error: conflict: here"},
		"explained":                    {question, caseAnswer{Compiled: answered("[1]"), Interpreted: answered("[1]")}, listed, 1, ""},
		"explained without need":       {question, caseAnswer{Compiled: answered("[1,2]"), Interpreted: answered("[1,2]")}, listed, 1, "and is not"},
		"explained, and not compiled":  {question, caseAnswer{Left: "it has with"}, listed, 0, "is not compiled"},
		"explained, and no excuse":     {question, caseAnswer{Compiled: answered("[1]"), Interpreted: answered("[2]")}, listed, 1, "interpreted: [2]"},
		"explained, and there is none": {question, caseAnswer{Left: "it has with"}, map[string][]string{"it differs": {"gone"}}, 0, "there is no such case"},
		"too few":                      {question, caseAnswer{Left: "it has with"}, nil, 1, "only 0 cases are compiled"},
		"left":                         {question, caseAnswer{Left: "it has with"}, nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.answer.Case = c.question.Case
			found, err := conform([]caseQuestion{c.question}, []caseAnswer{c.answer}, c.explained, c.least)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(found.differences, "\n")
			if (c.want == "") != (said == "") || !strings.Contains(said, c.want) {
				t.Errorf("%q is not in %q", c.want, said)
			}
			if report := found.String(); !strings.Contains(report, said) {
				t.Errorf("%q", report)
			}
		})
	}
}

func TestAnswersOfOtherQuestionsEndTheRun(t *testing.T) {
	question := caseQuestion{Case: "few/plain"}
	for name, answers := range map[string][]caseAnswer{
		"none":    {},
		"another": {{Case: "few/other"}},
		"more":    {{Case: "few/plain"}, {Case: "few/plain"}},
	} {
		if _, err := conform([]caseQuestion{question}, answers, nil, 0); err == nil {
			t.Errorf("%s", name)
		}
	}
}
