package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"stategate.io/tests/bench/common"
)

// users are policies on the raw object with the libraries that they import.
type users struct {
	policies, libraries []module
}

// module is one file, without the comments above its package: conftest has all policies in one package, which may
// have METADATA once.
type module struct {
	path, name, text string
	match            match
}

// match is what the METADATA of a policy says it is about. Each kind is `StatefulSet.apps`, or without a group.
type match struct {
	Kinds, Operations []string
}

const libraries = "data.stategate.lib."

func readUsers(directory string) (users, error) {
	var found users
	err := common.EachPolicy(directory, func(path, text string) error {
		parsed, err := ast.ParseModuleWithOpts(path, text, ast.ParserOptions{ProcessAnnotation: true})
		if err != nil {
			return err
		}
		place := parsed.Package.Path.String()
		one := module{path: path, name: place[strings.LastIndexByte(place, '.')+1:]}
		one.text = text[parsed.Package.Location.Offset:]
		if strings.HasPrefix(place, libraries) {
			found.libraries = append(found.libraries, one)
			return nil
		}
		if one.match, err = matchOf(parsed); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found.policies = append(found.policies, one)
		return nil
	})
	if err == nil && len(found.policies) == 0 {
		err = fmt.Errorf("%s: there is no policy in it", directory)
	}
	return found, err
}

func matchOf(parsed *ast.Module) (match, error) {
	for _, annotations := range parsed.Annotations {
		if annotations.Scope != "package" {
			continue
		}
		text, err := json.Marshal(annotations.Custom["match"])
		if err != nil {
			return match{}, err
		}
		var found match
		if err := json.Unmarshal(text, &found); err != nil {
			return match{}, err
		}
		if len(found.Kinds) > 0 && len(found.Operations) > 0 {
			return found, nil
		}
	}
	return match{}, fmt.Errorf("its METADATA does not say what it matches")
}

// replaced has one text in the place of another; none of it may be left over.
func replaced(text, leftover string, oldnew ...string) (string, error) {
	text = strings.NewReplacer(oldnew...).Replace(text)
	if strings.Contains(text, leftover) {
		return "", fmt.Errorf("%q is used in a way that is not known here", leftover)
	}
	return text, nil
}
