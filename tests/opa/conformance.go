package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// caseAnswer is what stategate's engine says to a question, or why the rule is left to the interpreter.
type caseAnswer struct {
	Case        string `json:"case"`
	Left        string `json:"left"`
	Compiled    *said  `json:"compiled"`
	Interpreted *said  `json:"interpreted"`
}

// agreement is the outcome of OPA's own cases.
type agreement struct {
	// How many are compiled, and how many of them are answered as the case wants.
	taken, equal int
	// How many of the others there are, by the reason.
	left, explained map[string]int
	differences     []string
}

// conform compares the answers of compiled rules with what the cases want. explained are the cases, by the reason,
// that the interpreter answers differently from OPA: there, the compiled form has to answer as the interpreter does.
func conform(questions []caseQuestion, given []caseAnswer, explained map[string][]string, least int) (agreement, error) {
	found := agreement{left: map[string]int{}, explained: map[string]int{}}
	reasons := map[string]string{}
	for reason, names := range explained {
		for _, name := range names {
			reasons[name] = reason
		}
	}
	if len(questions) != len(given) {
		return found, fmt.Errorf("%d questions have %d answers", len(questions), len(given))
	}
	for number, question := range questions {
		if given[number].Case != question.Case {
			return found, fmt.Errorf("the answer of %s is that of %s", question.Case, given[number].Case)
		}
		if err := found.add(question, given[number], reasons); err != nil {
			return found, fmt.Errorf("%s: %w", question.Case, err)
		}
		delete(reasons, question.Case)
	}
	for _, name := range slices.Sorted(maps.Keys(reasons)) {
		found.differ("%s: it is listed as different (%s), and there is no such case", name, reasons[name])
	}
	if found.taken < least {
		found.differ("only %d cases are compiled, and there were %d", found.taken, least)
	}
	return found, nil
}

func (a *agreement) add(question caseQuestion, given caseAnswer, reasons map[string]string) error {
	reason, listed := reasons[question.Case]
	if given.Compiled == nil || given.Interpreted == nil {
		a.left[given.Left]++
		if listed {
			a.differ("%s: it is listed as different (%s), and is not compiled", question.Case, reason)
		}
		return nil
	}
	a.taken++
	want, err := question.Want.reply()
	if err != nil {
		return err
	}
	compiled, err := given.Compiled.reply()
	if err != nil {
		return err
	}
	interpreted, err := given.Interpreted.reply()
	if err != nil {
		return err
	}
	switch equal := compiled.equal(want); {
	case !compiled.equal(interpreted) || compiled.failure != interpreted.failure:
		a.differ("%s\n  compiled:    %s\n  interpreted: %s\n  the case:    %s", question.Case, compiled, interpreted, want)
	case equal && listed:
		a.differ("%s: it is listed as different (%s), and is not", question.Case, reason)
	case equal:
		a.equal++
	case listed:
		a.explained[reason]++
	default:
		a.differ("%s\n  stategate: %s\n  the case:  %s", question.Case, compiled, want)
	}
	return nil
}

func (a *agreement) differ(format string, arguments ...any) {
	a.differences = append(a.differences, fmt.Sprintf(format, arguments...))
}

// String is the report.
func (a agreement) String() string {
	var report strings.Builder
	for _, difference := range a.differences {
		report.WriteString(difference + "\n")
	}
	explained, left := 0, 0
	for _, number := range a.explained {
		explained += number
	}
	for _, number := range a.left {
		left += number
	}
	fmt.Fprintf(&report, "OPA's own cases: %d left to the interpreter:\n%s", left, counted(a.left))
	fmt.Fprintf(&report, "OPA's own cases: %d compiled: %d answered as they want, %d as the interpreter does, %d differences\n%s",
		a.taken, a.equal, explained, len(a.differences), counted(a.explained))
	return report.String()
}

// counted has a line for each reason, the most frequent first.
func counted(reasons map[string]int) string {
	var report strings.Builder
	names := slices.SortedFunc(maps.Keys(reasons), func(one, other string) int {
		return cmp.Or(reasons[other]-reasons[one], strings.Compare(one, other))
	})
	for _, name := range names {
		fmt.Fprintf(&report, "  %4d  %s\n", reasons[name], name)
	}
	return report.String()
}

// reply is what was said, in a form that can be compared.
func (s said) reply() (reply, error) {
	if s.Kind != "" {
		return reply{failure: strings.TrimSpace(s.Kind + ": " + s.Error)}, nil
	}
	return question{Answer: s.Answer}.answered()
}

// read reads a value from each line of a file.
func read[T any](path string) ([]T, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var found []T
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var value T
		if err := json.Unmarshal(lines.Bytes(), &value); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(found)+1, err)
		}
		found = append(found, value)
	}
	if len(found) == 0 && lines.Err() == nil {
		return nil, fmt.Errorf("%s: there is nothing in it", path)
	}
	return found, lines.Err()
}
