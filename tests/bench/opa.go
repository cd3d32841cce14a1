package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"stategate.io/tests/bench/common"
)

// question is one line of what `questions record` prints.
type question struct {
	Request int             `json:"request"`
	Rule    string          `json:"rule"`
	Input   json.RawMessage `json:"input"`
	Answer  json.RawMessage `json:"answer"`
}

// review is all questions about one request, put to OPA at once.
type review struct {
	// The rule of the package bench that holds the answers.
	Entry    string                     `json:"entry"`
	Input    map[string]json.RawMessage `json:"input"`
	Expected map[string]json.RawMessage `json:"expected"`
}

// catalogue is the shipped policies as OPA gets them: parameters lie in data, and the policies read them there, so that
// `input` is the same for all policies and what one rule has evaluated is known to the next. Each set of policies that
// a request asks is a static rule, which answers for all.
type catalogue struct {
	parameters map[string]json.RawMessage
	shared     map[string]json.RawMessage
	entries    map[string]string
}

func newCatalogue() *catalogue {
	return &catalogue{map[string]json.RawMessage{}, map[string]json.RawMessage{}, map[string]string{}}
}

func readQuestions(path string) ([]question, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var questions []question
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, len(text)+1)
	for lines.Scan() {
		var one question
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(questions)+1, err)
		}
		questions = append(questions, one)
	}
	if len(questions) == 0 {
		return nil, fmt.Errorf("%s: there is no question in it", path)
	}
	return questions, lines.Err()
}

// reviews joins the questions about each request.
func (c *catalogue) reviews(questions []question) ([]review, error) {
	byRequest := map[int][]question{}
	for _, one := range questions {
		byRequest[one.Request] = append(byRequest[one.Request], one)
	}
	var reviews []review
	for _, request := range slices.Sorted(maps.Keys(byRequest)) {
		joined := review{Input: map[string]json.RawMessage{}, Expected: map[string]json.RawMessage{}}
		related := map[string]json.RawMessage{}
		for _, one := range byRequest[request] {
			var input map[string]json.RawMessage
			if err := json.Unmarshal(one.Input, &input); err != nil {
				return nil, err
			}
			if err := join(c.parameters, map[string]json.RawMessage{one.Rule: input["parameters"]}); err != nil {
				return nil, fmt.Errorf("the parameters of a policy differ between requests: %w", err)
			}
			delete(input, "parameters")
			if of, has := input["related"]; has {
				var own map[string]json.RawMessage
				if err := json.Unmarshal(of, &own); err != nil {
					return nil, err
				}
				if err := join(related, own); err != nil {
					return nil, err
				}
				delete(input, "related")
			}
			if err := join(joined.Input, input); err != nil {
				return nil, fmt.Errorf("request %d is judged in several states, which OPA cannot do at once: %w", request, err)
			}
			joined.Expected[one.Rule] = one.Answer
		}
		of, err := json.Marshal(related)
		if err != nil {
			return nil, err
		}
		joined.Input["related"] = of
		joined.Entry = c.entry(slices.Sorted(maps.Keys(joined.Expected)))
		reviews = append(reviews, joined)
	}
	return reviews, nil
}

// join adds what is not there yet; what is there must be the same.
func join(to, from map[string]json.RawMessage) error {
	for key, value := range from {
		if known, has := to[key]; has && !bytes.Equal(known, value) {
			return fmt.Errorf("%s is both %.80s and %.80s", key, known, value)
		}
		to[key] = value
	}
	return nil
}

// entry is the rule that asks these rules.
func (c *catalogue) entry(rules []string) string {
	key := strings.Join(rules, " ")
	if _, known := c.entries[key]; !known {
		c.entries[key] = fmt.Sprintf("entry_%d", len(c.entries))
	}
	return c.entries[key]
}

var parameter = regexp.MustCompile(`\binput\.parameters\.(\w+)`)

// write puts the policies below a directory into another one, as OPA gets them.
func (c *catalogue) write(policies, directory string) error {
	err := common.EachPolicy(policies, func(path, text string) error {
		module, err := ast.ParseModule(path, text)
		if err != nil {
			return err
		}
		place := strings.TrimPrefix(module.Package.Path.String(), "data.stategate.")
		own := "data.parameters." + place
		if strings.HasPrefix(place, "lib.") {
			own = "data.parameters.shared"
			reads := parameter.FindAllStringSubmatch(text, -1)
			if len(reads) != strings.Count(text, "input.parameters") {
				return fmt.Errorf("%s: reads its parameters in a way that is not known here", path)
			}
			for _, read := range reads {
				if err := c.share(read[1]); err != nil {
					return err
				}
			}
		}
		text = strings.ReplaceAll(text, "input.parameters", own)
		return common.WriteFile(filepath.Join(directory, strings.ReplaceAll(place, ".", "/")+".rego"), []byte(text))
	})
	if err != nil {
		return err
	}
	var entries strings.Builder
	entries.WriteString("package bench\n")
	for _, key := range slices.Sorted(maps.Keys(c.entries)) {
		for rule := range strings.FieldsSeq(key) {
			fmt.Fprintf(&entries, "\n%s[%q] := %s\n", c.entries[key], rule, rule)
		}
	}
	if err := common.WriteFile(filepath.Join(directory, "bench.rego"), []byte(entries.String())); err != nil {
		return err
	}
	data, err := json.Marshal(map[string]any{"parameters": c.tree()})
	if err != nil {
		return err
	}
	return common.WriteFile(filepath.Join(directory, "data.json"), data)
}

// share keeps the value of a parameter that a library reads, which must be the same for all policies.
func (c *catalogue) share(name string) error {
	for rule, parameters := range c.parameters {
		var own map[string]json.RawMessage
		if err := json.Unmarshal(parameters, &own); err != nil {
			return err
		}
		if value, has := own[name]; has {
			if err := join(c.shared, map[string]json.RawMessage{name: value}); err != nil {
				return fmt.Errorf("%s: a library reads a parameter that is not the same everywhere: %w", rule, err)
			}
		}
	}
	return nil
}

// tree has the parameters by category and policy.
func (c *catalogue) tree() map[string]any {
	tree := map[string]any{"shared": c.shared}
	for rule, parameters := range c.parameters {
		parts := strings.Split(strings.TrimPrefix(rule, "data.stategate."), ".")
		category, _ := tree[parts[0]].(map[string]any)
		if category == nil {
			category = map[string]any{}
			tree[parts[0]] = category
		}
		category[parts[1]] = parameters
	}
	return tree
}

// What the API server asks of OPA, as OPA's documentation has it: the package system answers the review. The kinds are
// those that the policies match in stategate, where their METADATA says so.
const usersMain = `package system

main := {
	"apiVersion": "admission.k8s.io/v1",
	"kind": "AdmissionReview",
	"response": {"uid": input.request.uid, "allowed": count(denials) == 0, "status": {"message": concat("; ", denials)}},
}

kinds := {"StatefulSet", "Deployment", "DaemonSet"}

denials contains violation.msg if {
	input.request.operation in {"CREATE", "UPDATE"}
	input.request.kind.kind in kinds
	some category, policy
	some violation in data.stategate[category][policy].violation
}
`

// writeUsers puts policies on the raw object into a directory, as OPA gets them: what Gatekeeper and stategate call
// input.review is input.request in an AdmissionReview.
func writeUsers(policies, directory string) error {
	err := common.EachPolicy(policies, func(path, text string) error {
		inside, err := filepath.Rel(policies, path)
		if err != nil {
			return err
		}
		return common.WriteFile(filepath.Join(directory, inside), []byte(strings.ReplaceAll(text, "input.review", "input.request")))
	})
	if err != nil {
		return err
	}
	return common.WriteFile(filepath.Join(directory, "main.rego"), []byte(usersMain))
}

// compiled compiles all modules below a directory, with its data.
func compiled(directory string, options ...func(*rego.Rego)) (func(query string) (rego.PreparedEvalQuery, error), error) {
	modules := map[string]*ast.Module{}
	err := common.EachPolicy(directory, func(path, text string) error {
		var err error
		modules[path], err = ast.ParseModule(path, text)
		return err
	})
	if err != nil {
		return nil, err
	}
	compiler := ast.NewCompiler()
	if compiler.Compile(modules); compiler.Failed() {
		return nil, compiler.Errors
	}
	prepared := map[string]rego.PreparedEvalQuery{}
	return func(query string) (rego.PreparedEvalQuery, error) {
		if known, ok := prepared[query]; ok {
			return known, nil
		}
		all := append(slices.Clone(options), rego.Compiler(compiler), rego.Query(query), rego.StrictBuiltinErrors(true))
		made, err := rego.New(all...).PrepareForEval(context.Background())
		if err == nil {
			prepared[query] = made
		}
		return made, err
	}, nil
}

// asked is a query with its input, parsed before.
type asked struct {
	query    rego.PreparedEvalQuery
	input    ast.Value
	expected any
}

// once evaluates it.
func (a asked) once() (rego.ResultSet, error) {
	return a.query.Eval(context.Background(), rego.EvalParsedInput(a.input))
}

// check compares the answer.
func (a asked) check() error {
	results, err := a.once()
	if err != nil {
		return err
	}
	if len(results) != 1 {
		return fmt.Errorf("OPA has %d answers", len(results))
	}
	found, err := plain(results[0].Expressions[0].Value)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(sorted(found), sorted(a.expected)) {
		return fmt.Errorf("OPA answers %v instead of %v", found, a.expected)
	}
	return nil
}

// plain is a value as encoding/json reads it.
func plain(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var read any
	return read, json.Unmarshal(text, &read)
}

// sorted puts lists into an order: both engines print a set as a list.
func sorted(value any) any {
	switch value := value.(type) {
	case []any:
		items := make([]any, len(value))
		for i, item := range value {
			items[i] = sorted(item)
		}
		slices.SortFunc(items, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return items
	case map[string]any:
		fields := map[string]any{}
		for key, item := range value {
			fields[key] = sorted(item)
		}
		return fields
	default:
		return value
	}
}

// each has one query for each question to a policy.
func each(questions []question, policies string) ([]asked, error) {
	prepare, err := compiled(policies)
	if err != nil {
		return nil, err
	}
	var all []asked
	for _, one := range questions {
		query, err := prepare(one.Rule)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.Rule, err)
		}
		input, err := ast.ValueFromReader(bytes.NewReader(one.Input))
		if err != nil {
			return nil, err
		}
		var expected any
		if err := json.Unmarshal(one.Answer, &expected); err != nil {
			return nil, err
		}
		all = append(all, asked{query, input, expected})
	}
	return all, nil
}

// atOnce has one query for all questions about a request.
func atOnce(reviews []review, directory string) ([]asked, error) {
	data, err := os.ReadFile(filepath.Join(directory, "data.json"))
	if err != nil {
		return nil, err
	}
	var parameters map[string]any
	if err := json.Unmarshal(data, &parameters); err != nil {
		return nil, err
	}
	prepare, err := compiled(directory, rego.Store(storeOf(parameters)))
	if err != nil {
		return nil, err
	}
	var all []asked
	for _, one := range reviews {
		query, err := prepare("data.bench." + one.Entry)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(one.Input)
		if err != nil {
			return nil, err
		}
		input, err := ast.ValueFromReader(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		expected, err := plain(one.Expected)
		if err != nil {
			return nil, err
		}
		all = append(all, asked{query, input, expected})
	}
	return all, nil
}

// library measures OPA as a library, as `questions evaluate` measures stategate: it reads seconds, and prints passes.
func library(queries []asked, requests, questions int) error {
	for _, query := range queries {
		if err := query.check(); err != nil {
			return err
		}
	}
	of := common.Pass{Requests: requests, Questions: questions}
	return common.Measure(of, os.Stdin, os.Stdout, func() error {
		for _, query := range queries {
			if _, err := query.once(); err != nil {
				return err
			}
		}
		return nil
	})
}

// usersReviewers ask OPA in this process what its server with the same policies answers.
func usersReviewers(directory, reviews string) ([]common.Reviewer, error) {
	prepare, err := compiled(directory)
	if err != nil {
		return nil, err
	}
	query, err := prepare("data.system.denials")
	if err != nil {
		return nil, err
	}
	bodies, err := common.ReadBodies(reviews)
	if err != nil {
		return nil, err
	}
	var all []common.Reviewer
	for _, body := range bodies {
		input, err := ast.ValueFromReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		all = append(all, func() ([]string, error) { return asked{query: query, input: input}.denials() })
	}
	return all, nil
}

// denials is the answer as texts.
func (a asked) denials() ([]string, error) {
	results, err := a.once()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("OPA has %d answers", len(results))
	}
	found, is := results[0].Expressions[0].Value.([]any)
	if !is {
		return nil, fmt.Errorf("OPA answers %v", results[0].Expressions[0].Value)
	}
	var denials []string
	for _, one := range found {
		denials = append(denials, fmt.Sprint(one))
	}
	return denials, nil
}
