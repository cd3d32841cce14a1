package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/util"
)

// result is the outcome of a comparison.
type result struct {
	// Thinned questions have an input document that lacks a field.
	policies, tests, questions, thinned, files int
	differences                                []string
}

// question is one line of the record. Without answer and error, the rule was undefined.
type question struct {
	File    string          `json:"file"`
	Rule    string          `json:"rule"`
	Without string          `json:"without"`
	Input   json.RawMessage `json:"input"`
	Answer  json.RawMessage `json:"answer"`
	Error   *string         `json:"error"`
}

// String identifies the question.
func (q question) String() string {
	if q.Without != "" {
		return fmt.Sprintf("%s, without %s: %s", q.File, q.Without, q.Rule)
	}
	return q.File + ": " + q.Rule
}

// isTest reports whether the rule is one that `stategate test` and OPA's tester run.
func (q question) isTest() bool {
	return strings.HasPrefix(q.Rule[strings.LastIndex(q.Rule, ".")+1:], "test_")
}

// compare evaluates every question of the record on OPA, and looks for gaps in the record.
func compare(ctx context.Context, policies, record string) (result, error) {
	modules, examples, err := readModules(policies)
	if err != nil {
		return result{}, err
	}
	questions, err := read[question](record)
	if err != nil {
		return result{}, err
	}
	compiler := newCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return result{}, compiler.Errors
	}

	found := result{}
	passed, err := found.runTests(ctx, modules)
	if err != nil {
		return result{}, err
	}
	rules, files := map[string]bool{}, map[string]bool{}
	prepared := map[string]rego.PreparedEvalQuery{}
	for _, question := range questions {
		rules[question.Rule] = true
		if question.isTest() {
			continue
		}
		if question.Without != "" {
			found.thinned++
		} else {
			found.questions++
		}
		files[question.File] = true
		query, known := prepared[question.Rule]
		if !known {
			query, err = rego.New(rego.Compiler(compiler), rego.Query(question.Rule),
				rego.StrictBuiltinErrors(true)).PrepareForEval(ctx)
			if err != nil {
				return result{}, fmt.Errorf("%s: %w", question.Rule, err)
			}
			prepared[question.Rule] = query
		}
		if err := found.ask(ctx, query, question); err != nil {
			return result{}, err
		}
	}
	found.files = len(files)
	found.missing(modules, examples, passed, rules, files)
	return found, nil
}

func newCompiler() *ast.Compiler {
	return ast.NewCompiler().WithStrict(true).WithCapabilities(ast.CapabilitiesForThisVersion())
}

// readModules parses all modules below a directory, and returns the examples that policies are evaluated on:
// `.old.yaml`, `.inventory.yaml` and `.out.yaml` belong to another example.
func readModules(directory string) (map[string]*ast.Module, []string, error) {
	modules, examples := map[string]*ast.Module{}, []string{}
	var faults []error
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inExamples := filepath.Base(filepath.Dir(path)) == "examples"
		switch extension := filepath.Ext(path); {
		case extension == ".rego":
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			module, err := ast.ParseModuleWithOpts(path, string(text), ast.ParserOptions{
				RegoVersion:       ast.RegoV1,
				Capabilities:      ast.CapabilitiesForThisVersion(),
				ProcessAnnotation: true,
			})
			faults = append(faults, err)
			modules[path] = module
		case inExamples && (extension == ".yaml" || extension == ".yml"):
			stem := strings.TrimSuffix(path, extension)
			beside := []string{".old", ".inventory", ".out"}
			if !slices.ContainsFunc(beside, func(end string) bool { return strings.HasSuffix(stem, end) }) {
				examples = append(examples, path)
			}
		}
		return nil
	})
	return modules, examples, errors.Join(append(faults, err)...)
}

// runTests runs all tests on OPA, and returns the names of those that ran.
func (r *result) runTests(ctx context.Context, modules map[string]*ast.Module) (map[string]bool, error) {
	results, err := tester.NewRunner().
		SetCompiler(newCompiler()).
		SetModules(modules).
		RaiseBuiltinErrors(true).
		RunTests(ctx, nil)
	if err != nil {
		return nil, err
	}
	passed := map[string]bool{}
	for test := range results {
		r.tests++
		name := test.Package + "." + test.Name
		if !test.Pass() {
			r.differ("%s: the test does not pass on OPA: %s %v", test.Location, test, test.Error)
		}
		passed[name] = true
	}
	return passed, nil
}

// ask evaluates one question on OPA.
func (r *result) ask(ctx context.Context, query rego.PreparedEvalQuery, question question) error {
	input, err := ast.ValueFromReader(bytes.NewReader(question.Input))
	if err != nil {
		return fmt.Errorf("%s: input of %s: %w", question.File, question.Rule, err)
	}
	ours, err := question.answered()
	if err != nil {
		return err
	}
	theirs := reply{}
	switch answers, err := query.Eval(ctx, rego.EvalParsedInput(input)); {
	case err != nil:
		theirs.failure = err.Error()
	case len(answers) > 0:
		if theirs.value, err = value(answers[0].Expressions[0].Value); err != nil {
			return err
		}
	}
	if !ours.equal(theirs) {
		r.differ("%s\n  stategate: %s\n  OPA:       %s", question, ours, theirs)
	}
	return nil
}

// reply is an engine's result: a value, a failure, or neither if the rule is undefined.
type reply struct {
	value   ast.Value
	failure string
}

// equal compares values as Rego does: 1 and 1.0 are equal. The engines word their failures differently, so
// any two failures are equal.
func (r reply) equal(other reply) bool {
	if r.value == nil || other.value == nil {
		return r.value == nil && other.value == nil && (r.failure == "") == (other.failure == "")
	}
	return ast.Compare(r.value, other.value) == 0
}

func (r reply) String() string {
	switch {
	case r.value != nil:
		return r.value.String()
	case r.failure != "":
		return "error: " + r.failure
	default:
		return "undefined"
	}
}

func (q question) answered() (reply, error) {
	if q.Error != nil {
		return reply{failure: *q.Error}, nil
	}
	if len(q.Answer) == 0 {
		return reply{}, nil
	}
	var answer any
	if err := util.UnmarshalJSON(q.Answer, &answer); err != nil {
		return reply{}, fmt.Errorf("%s: answer of %s: %w", q.File, q.Rule, err)
	}
	parsed, err := value(answer)
	return reply{value: parsed}, err
}

// value parses a rule's value. Both engines print a set as a list, so the order of lists is ignored.
func value(printed any) (ast.Value, error) {
	parsed, err := ast.InterfaceToValue(printed)
	if list, ok := parsed.(*ast.Array); ok && err == nil {
		return list.Sorted(), nil
	}
	return parsed, err
}

// missing looks for gaps in the record: agreement on what was never evaluated means nothing.
func (r *result) missing(
	modules map[string]*ast.Module, examples []string, passed, rules, files map[string]bool,
) {
	for rule := range rules {
		if (question{Rule: rule}).isTest() && !passed[rule] {
			r.differ("%s: stategate ran this test, and OPA did not", rule)
		}
	}
	for test := range passed {
		if !rules[test] {
			r.differ("%s: OPA ran this test, and stategate did not", test)
		}
	}
	for _, example := range examples {
		// Policies with an unknown outcome are not evaluated.
		if !files[example] && !strings.HasPrefix(filepath.Base(example), "unknown_") {
			r.differ("%s: the record holds no question about this example", example)
		}
	}
	for _, module := range modules {
		asked := map[string]bool{}
		for _, rule := range module.Rules {
			name := rule.Head.Ref()[0].Value.String()
			if !asked[name] && (name == "violation" || name == "patch") {
				asked[name] = true
				if path := module.Package.Path.String() + "." + name; !rules[path] {
					r.differ("%s: the record holds no question to it", path)
				}
			}
		}
		if asked["violation"] || asked["patch"] {
			r.policies++
		}
	}
	slices.Sort(r.differences)
}

func (r *result) differ(format string, arguments ...any) {
	r.differences = append(r.differences, fmt.Sprintf(format, arguments...))
}
