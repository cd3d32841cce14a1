package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/open-policy-agent/conftest/policy"

	"stategate.io/tests/bench/common"
)

// namespace is the package in which conftest looks for rules unless it is told of others.
const namespace = "main"

// conftestReviewers check the objects of requests, as files that were parsed before.
func conftestReviewers(policies users, bodies [][]byte) ([]common.Reviewer, error) {
	engine, err := conftest(policies)
	if err != nil {
		return nil, err
	}
	var all []common.Reviewer
	for _, body := range bodies {
		var read struct{ Request struct{ Object any } }
		if err := json.Unmarshal(body, &read); err != nil {
			return nil, err
		}
		files := map[string]any{"object.yaml": read.Request.Object}
		all = append(all, func() ([]string, error) { return failures(engine, files) })
	}
	return all, nil
}

// conftest is its engine as `conftest test` makes it.
func conftest(policies users) (*policy.Engine, error) {
	directory, err := os.MkdirTemp("", "conftest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	if err := writeForConftest(policies, directory); err != nil {
		return nil, err
	}
	capabilities, err := policy.LoadCapabilities("")
	if err != nil {
		return nil, err
	}
	options := policy.CompilerOptions{RegoVersion: "v1", Capabilities: capabilities}
	engine, err := policy.LoadWithData([]string{directory}, nil, options)
	if err != nil {
		return nil, err
	}
	engine.EnableInterQueryCache()
	return engine, nil
}

func writeForConftest(policies users, directory string) error {
	for _, one := range policies.policies {
		text, err := forConftest(one)
		if err != nil {
			return fmt.Errorf("%s: %w", one.path, err)
		}
		if err := common.WriteFile(filepath.Join(directory, one.name+".rego"), []byte(text)); err != nil {
			return err
		}
	}
	for _, library := range policies.libraries {
		text, err := onObject(library.text)
		if err != nil {
			return fmt.Errorf("%s: %w", library.path, err)
		}
		if err := common.WriteFile(filepath.Join(directory, "lib", library.name+".rego"), []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

const rule = "violation contains v if {\n"

// forConftest puts a policy into the one package, so that one query asks all policies: with a package for each, conftest
// would take longer. Nothing but the policy itself can say which kinds it is about, so it does, first of all.
func forConftest(policy module) (string, error) {
	text, err := onObject(policy.text)
	if err != nil {
		return "", err
	}
	if !strings.Contains(text, rule) {
		return "", fmt.Errorf("there is no %q in it", rule)
	}
	var kinds []string
	for _, kind := range policy.match.Kinds {
		name, _, _ := strings.Cut(kind, ".")
		kinds = append(kinds, strconv.Quote(name))
	}
	matches := fmt.Sprintf("%s\tinput.kind in {%s}\n", rule, strings.Join(kinds, ", "))
	_, body, _ := strings.Cut(text, "\n")
	return "package " + namespace + "\n" + strings.ReplaceAll(body, rule, matches), nil
}

// onObject has the object itself as the input, which it is for conftest.
func onObject(text string) (string, error) {
	return replaced(text, "input.review", "input.review.object", "input")
}

func failures(engine *policy.Engine, files map[string]any) ([]string, error) {
	found, err := engine.Check(context.Background(), files, namespace)
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, file := range found {
		for _, failure := range file.Failures {
			messages = append(messages, failure.Message)
		}
	}
	return messages, nil
}
