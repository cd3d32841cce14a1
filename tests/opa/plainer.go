package main

import (
	"bytes"
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/test/cases"
)

// plainer rewrites the modules of a case into what policies are written in: `x := f(y)` instead of `f(y, x)`, and
// `x := y` instead of `x = y`. Most cases are older than `:=`. It is nothing if there is nothing to rewrite. What OPA
// does not compile stays as it was, and what it answers differently is not used.
func plainer(ctx context.Context, test cases.TestCase, input ast.Value, answer said) ([]string, error) {
	texts := test.Modules
	for number, text := range texts {
		module, err := ast.ParseModuleWithOpts("", text, options(test))
		if err != nil {
			return nil, err
		}
		parsing := options(test)
		for position := range expressions(module) {
			for _, rewrite := range []func(*ast.Expr) bool{assign, equate} {
				// The tree shares parts with that of before, so each attempt has its own.
				module, err := ast.ParseModuleWithOpts("", texts[number], parsing)
				if err != nil {
					return nil, err
				}
				found := expressions(module)
				if position >= len(found) || !rewrite(found[position]) {
					continue
				}
				text, err := format.AstWithOpts(module, format.Opts{RegoVersion: ast.RegoV1, ParserOptions: &parsing})
				if err != nil {
					continue
				}
				attempt := slices.Clone(texts)
				attempt[number] = string(text)
				again, err := evaluate(ctx, test, attempt, input)
				if err == nil && again.Kind == answer.Kind && bytes.Equal(again.Answer, answer.Answer) {
					texts = attempt
					break
				}
			}
		}
	}
	if slices.Equal(texts, test.Modules) {
		return nil, nil
	}
	return texts, nil
}

// expressions are those of a module, in the order in which they are written.
func expressions(module *ast.Module) []*ast.Expr {
	var found []*ast.Expr
	ast.WalkExprs(module, func(expr *ast.Expr) bool {
		found = append(found, expr)
		return false
	})
	return found
}

// assign makes `x := y` of an expression that may stand for that.
func assign(expr *ast.Expr) bool {
	one, other := sides(expr)
	switch {
	case one == nil:
		return false
	case bindable(one):
		expr.Terms = []*ast.Term{ast.NewTerm(ast.Assign.Ref()), one, other}
	case bindable(other):
		expr.Terms = []*ast.Term{ast.NewTerm(ast.Assign.Ref()), other, one}
	default:
		return false
	}
	return true
}

// equate makes `x == y` of an expression that may stand for that.
func equate(expr *ast.Expr) bool {
	one, other := sides(expr)
	if one != nil {
		expr.Terms = []*ast.Term{ast.NewTerm(ast.Equal.Ref()), one, other}
	}
	return one != nil
}

// sides are the terms that an expression makes equal: the two of `=`, or an output argument and the call without it.
// Whether the last argument is one shows when OPA compiles it.
func sides(expr *ast.Expr) (one, other *ast.Term) {
	terms, isCall := expr.Terms.([]*ast.Term)
	last := len(terms) - 1
	if !isCall || expr.Negated || len(expr.With) > 0 || last < 1 {
		return nil, nil
	}
	if name := expr.Operator().String(); name == ast.Equality.Name {
		return terms[1], terms[2]
	} else if builtin, known := ast.BuiltinMap[name]; known && last != builtin.Decl.Arity()+1 {
		return nil, nil
	}
	return terms[last], ast.CallTerm(terms[:last]...)
}

// bindable reports whether a term can stand before `:=`.
func bindable(term *ast.Term) bool {
	switch value := term.Value.(type) {
	case ast.Var:
		return true
	case *ast.Array:
		return value.Len() > 0 && !value.Until(func(item *ast.Term) bool { return !bindable(item) })
	default:
		return false
	}
}
