package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// caseQuestion is one of OPA's own cases as a question to a rule, with what the case wants. Without answer and error,
// the rule is to be undefined. Documents in `data` are left out: a rule that reads them is not compiled.
type caseQuestion struct {
	Case    string   `json:"case"`
	Modules []string `json:"modules"`
	// Plainer are the modules without output arguments and unification, for rules that the compiler does not take as
	// they are.
	Plainer []string `json:"plainer,omitempty"`
	Rule    string   `json:"rule"`
	Input   any      `json:"input"`
	Want    said     `json:"want"`
}

// said is a value, an error, or neither if the rule is undefined.
type said struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	// The message, and what kind of error it is.
	Error string `json:"error,omitempty"`
	Kind  string `json:"kind,omitempty"`
}

// asking matches queries for the value of a rule, and nothing else.
var asking = regexp.MustCompile(`^(data(?:\.[A-Za-z_][A-Za-z_0-9]*)+) = [a-z]$`)

// ofTests matches calls of the builtins that OPA's own tests define.
var ofTests = regexp.MustCompile(`(?:^|[^.\w])test\.[a-z_]+\(`)

// questions are the cases below a directory that ask for the value of a rule. The others are counted by why they
// are not caseQuestion.
func questions(ctx context.Context, directory string) ([]caseQuestion, map[string]int, error) {
	set, err := cases.Load(directory)
	if err != nil {
		return nil, nil, err
	}
	if len(set.Cases) == 0 {
		return nil, nil, fmt.Errorf("%s: there is no case in it", directory)
	}
	var found []caseQuestion
	left := map[string]int{}
	for _, test := range set.Sorted().Cases {
		question, reason, err := ask(ctx, test)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %s: %w", test.Filename, test.Note, err)
		case reason != "":
			left[reason]++
		default:
			found = append(found, question)
		}
	}
	return found, left, nil
}

// ask makes a question of a case, or says why not.
func ask(ctx context.Context, test cases.TestCase) (caseQuestion, string, error) {
	query := asking.FindStringSubmatch(test.Query)
	switch {
	case query == nil:
		return caseQuestion{}, "its query does not ask for the value of a rule", nil
	case len(test.Env) > 0:
		return caseQuestion{}, "it needs environment variables", nil
	case slices.ContainsFunc(test.Modules, ofTests.MatchString):
		return caseQuestion{}, "it calls a builtin that only OPA's own tests have", nil
	}
	question := caseQuestion{Case: test.Note, Modules: test.Modules, Rule: query[1], Input: map[string]any{}}
	var input ast.Value
	switch {
	case test.InputTerm != nil:
		term, err := ast.ParseTerm(*test.InputTerm)
		if err != nil {
			return caseQuestion{}, "", err
		}
		input = term.Value
		if question.Input, err = ast.JSON(input); err != nil {
			return caseQuestion{}, "", err
		}
		if again, err := ast.InterfaceToValue(question.Input); err != nil || again.Compare(input) != 0 {
			return caseQuestion{}, "its input is not JSON", nil
		}
	case test.Input != nil:
		question.Input = *test.Input
		var err error
		if input, err = ast.InterfaceToValue(question.Input); err != nil {
			return caseQuestion{}, "", err
		}
	}
	var err error
	if question.Want, err = want(test); err != nil {
		return caseQuestion{}, "", err
	}
	answer, err := evaluate(ctx, test, test.Modules, input)
	if err != nil {
		return caseQuestion{}, "", err
	}
	// Builtins that fail are always errors for stategate: then OPA says what they are if it is told so, too.
	if !test.StrictError && answer.Kind != "" {
		question.Want = answer
	}
	question.Plainer, err = plainer(ctx, test, input, answer)
	return question, "", err
}

// want is what a case says.
func want(test cases.TestCase) (said, error) {
	switch {
	case test.WantErrorCode != nil:
		message := ""
		if test.WantError != nil {
			message = *test.WantError
		}
		return said{Error: message, Kind: *test.WantErrorCode}, nil
	case test.WantError != nil:
		return said{Error: *test.WantError, Kind: "any"}, nil
	case test.WantResult == nil:
		return said{}, errors.New("it wants nothing")
	case len(*test.WantResult) == 0:
		return said{}, nil
	case len(*test.WantResult) > 1 || len((*test.WantResult)[0]) != 1:
		return said{}, errors.New("a rule has one value, and the case wants several")
	}
	for _, value := range (*test.WantResult)[0] {
		answer, err := json.Marshal(value)
		return said{Answer: answer}, err
	}
	return said{}, nil
}

// compile compiles modules as OPA's own tests do.
func compile(test cases.TestCase, texts []string) (*ast.Compiler, error) {
	modules := map[string]string{}
	for number, text := range texts {
		modules[fmt.Sprintf("%d.rego", number)] = text
	}
	return ast.CompileModulesWithOpt(modules, ast.CompileOpts{ParserOptions: options(test)})
}

func options(test cases.TestCase) ast.ParserOptions {
	options := ast.ParserOptions{RegoVersion: ast.RegoV1}
	if test.ExperimentalKeywords {
		options.Capabilities = ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(true))
	}
	return options
}

// evaluate is what OPA says to a case that has these modules, if a builtin that fails is an error.
func evaluate(ctx context.Context, test cases.TestCase, modules []string, input ast.Value) (said, error) {
	compiler, err := compile(test, modules)
	if err != nil {
		return said{}, err
	}
	body, err := ast.ParseBody(test.Query)
	if err != nil {
		return said{}, err
	}
	if body, err = compiler.QueryCompiler().Compile(body); err != nil {
		return said{}, err
	}
	store := inmem.New()
	if test.Data != nil {
		store = inmem.NewFromObject(*test.Data)
	}
	transaction, err := store.NewTransaction(ctx)
	if err != nil {
		return said{}, err
	}
	query := topdown.NewQuery(body).
		WithCompiler(compiler).
		WithStore(store).
		WithTransaction(transaction).
		WithStrictBuiltinErrors(true)
	if input != nil {
		query = query.WithInput(ast.NewTerm(input))
	}
	results, err := query.Run(ctx)
	var failure *topdown.Error
	switch {
	case errors.As(err, &failure):
		return said{Error: failure.Message, Kind: failure.Code}, nil
	case err != nil || len(results) == 0:
		return said{}, err
	}
	for _, term := range results[0] {
		value, err := ast.JSON(term.Value)
		if err != nil {
			return said{}, err
		}
		answer, err := json.Marshal(value)
		return said{Answer: answer}, err
	}
	return said{}, errors.New("the query has no variable")
}

// write puts questions into lines.
func write(to io.Writer, questions []caseQuestion) error {
	lines := json.NewEncoder(to)
	for _, question := range questions {
		if err := lines.Encode(question); err != nil {
			return err
		}
	}
	return nil
}
