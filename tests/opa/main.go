// Command second-opinion asks OPA what stategate's own engine was asked, and puts OPA's own cases to that engine. It
// exits with 1 if any answer differs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/open-policy-agent/opa/v1/version"
)

const usage = `usage:
  second-opinion record POLICIES RECORD          evaluates recorded questions on OPA
  second-opinion questions CASES                 prints OPA's own cases as questions
  second-opinion conformance QUESTIONS ANSWERS   compares the answers with what the cases want

RECORD is what 'stategate test POLICIES --record RECORD' writes, CASES a directory of OPA's module, and ANSWERS what the
example 'conformance' makes of QUESTIONS.`

// errUsage is that the arguments are none of those in usage.
var errUsage = errors.New(usage)

func main() {
	differ, err := run(context.Background(), os.Stdout, os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "second-opinion:", err)
		os.Exit(2)
	case differ:
		os.Exit(1)
	}
}

// run does what the arguments say, and reports whether there are differences.
func run(ctx context.Context, out io.Writer, arguments []string) (bool, error) {
	if len(arguments) < 2 {
		return false, errUsage
	}
	switch kind, files := arguments[0], arguments[1:]; {
	case kind == "record" && len(files) == 2:
		return record(ctx, out, files[0], files[1])
	case kind == "questions" && len(files) == 1:
		found, left, err := questions(ctx, files[0])
		if err != nil {
			return false, err
		}
		fmt.Fprintf(os.Stderr, "OPA %s: %d of its cases ask for the value of a rule; not asked:\n%s",
			version.Version, len(found), counted(left))
		return false, write(out, found)
	case kind == "conformance" && len(files) == 2:
		return conformance(out, files[0], files[1])
	default:
		return false, errUsage
	}
}

func record(ctx context.Context, out io.Writer, policies, recorded string) (bool, error) {
	started := time.Now()
	result, err := compare(ctx, policies, recorded)
	if err != nil {
		return false, err
	}
	for _, difference := range result.differences {
		fmt.Fprintln(out, difference)
	}
	fmt.Fprintf(out, "OPA %s: %d policies, %d tests, %d questions about %d files, and %d with a field less: %d differences (%.1f s)\n",
		version.Version, result.policies, result.tests, result.questions, result.files, result.thinned,
		len(result.differences), time.Since(started).Seconds())
	return len(result.differences) > 0, nil
}

func conformance(out io.Writer, asked, answered string) (bool, error) {
	questions, err := read[caseQuestion](asked)
	if err != nil {
		return false, err
	}
	answers, err := read[caseAnswer](answered)
	if err != nil {
		return false, err
	}
	found, err := conform(questions, answers, explained, leastTaken)
	if err != nil {
		return false, err
	}
	fmt.Fprint(out, found)
	return len(found.differences) > 0, nil
}
