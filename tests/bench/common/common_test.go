package common

import (
	"errors"
	"strings"
	"testing"
)

func TestReviewersTellThenMeasure(t *testing.T) {
	asked := 0
	review := func(denials ...string) Reviewer {
		return func() ([]string, error) { asked++; return denials, nil }
	}
	var out strings.Builder
	err := Reviewers([]Reviewer{review("no"), review()}, strings.NewReader("0.001\n0.001\n"), &out)
	lines := strings.Split(out.String(), "\n")
	if err != nil || len(lines) != 4 || lines[0] != `[["no"],[]]` || !strings.Contains(lines[2], `"requests":2,`) {
		t.Error(err, lines)
	}
	if asked < 6 {
		t.Errorf("asked only %d times", asked)
	}
}

func TestFaultsEndTheMeasurement(t *testing.T) {
	fault := errors.New("broken")
	broken := func() ([]string, error) { return nil, fault }
	var out strings.Builder
	if err := Reviewers([]Reviewer{broken}, strings.NewReader(""), &out); !errors.Is(err, fault) || out.Len() > 0 {
		t.Error(err, out.String())
	}
	if err := Measure(Pass{}, strings.NewReader("1\n"), &out, func() error { return fault }); !errors.Is(err, fault) {
		t.Error(err)
	}
	if err := Measure(Pass{}, strings.NewReader("soon\n"), &out, func() error { return nil }); err == nil {
		t.Error("soon is no number of seconds")
	}
}
