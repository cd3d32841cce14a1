package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const policy = `package stategate.storage.few

violation contains v if {
	input.workload.replicas < 2
	some zone in input.workload.zones
	v := {"msg": zone, "path": ["spec", input.workload.replicas]}
}
`

const policyTest = `package stategate.storage.few_test

import data.stategate.storage.few

test_one if few.violation == {{"msg": "a", "path": ["spec", 1]}} with input as {"workload": {"replicas": 1, "zones": ["a"]}}
`

const (
	test   = `{"file":"few_test.rego","rule":"data.stategate.storage.few_test.test_one","input":{},"answer":true}`
	asked  = `{"file":"FILE","rule":"data.stategate.storage.few.violation","input":{"workload":{"replicas":1,"zones":["b","a"]}},`
	first  = `{"msg":"a","path":["spec",1]}`
	second = `{"msg":"b","path":["spec",1]}`
	agreed = asked + `"answer":[` + first + `,` + second + `]}`
)

// differences compares a catalogue of one policy, its test and one example with a record.
func differences(t *testing.T, policy, policyTest string, record ...string) ([]string, error) {
	t.Helper()
	policies := filepath.Join(t.TempDir(), "policies")
	example := filepath.Join(policies, "storage/few/examples/deny_few.yaml")
	recorded := filepath.Join(t.TempDir(), "record")
	for path, text := range map[string]string{
		filepath.Join(policies, "storage/few/few.rego"):                    policy,
		filepath.Join(policies, "storage/few/few_test.rego"):               policyTest,
		filepath.Join(policies, "storage/few/examples/deny_few.old.yaml"):  "its question is that of deny_few.yaml",
		filepath.Join(policies, "storage/few/examples/patch_few.out.yaml"): "no question",

		filepath.Join(policies, "storage/few/examples/deny_few.inventory.yaml"): "what is in the cluster",
		example:  "",
		recorded: strings.ReplaceAll(strings.Join(record, "\n"), "FILE", example),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	result, err := compare(t.Context(), policies, recorded)
	return result.differences, err
}

func TestAgreement(t *testing.T) {
	for name, answer := range map[string]string{
		"as printed":   `[` + first + `,` + second + `]`,
		"other order":  `[` + second + `,` + first + `]`,
		"other number": `[` + first + `,{"path":["spec",1.0],"msg":"b"}]`,
	} {
		t.Run(name, func(t *testing.T) {
			found, err := differences(t, policy, policyTest, test, asked+`"answer":`+answer+`}`)
			if err != nil || len(found) > 0 {
				t.Errorf("%v %q", err, found)
			}
		})
	}
}

func TestEveryTamperedAnswerIsADifference(t *testing.T) {
	for name, answer := range map[string]string{
		"a violation less": `"answer":[` + first + `]`,
		"a violation more": `"answer":[` + first + `,` + second + `,{"msg":"c","path":["spec",1]}]`,
		"another message":  `"answer":[` + first + `,{"msg":"B","path":["spec",1]}]`,
		"another path":     `"answer":[` + first + `,{"msg":"b","path":[1,"spec"]}]`,
		"no violation":     `"answer":[]`,
		"an error":         `"error":"division by zero"`,
		"undefined":        `"file":"FILE"`,
	} {
		t.Run(name, func(t *testing.T) {
			found, err := differences(t, policy, policyTest, test, asked+answer+`}`)
			if err != nil || len(found) != 1 {
				t.Fatalf("%v %q", err, found)
			}
			for _, part := range []string{"deny_few.yaml: data.stategate.storage.few.violation", "stategate: ", `OPA:       [{"msg": "a"`} {
				if !strings.Contains(found[0], part) {
					t.Errorf("%q is not in %s", part, found[0])
				}
			}
		})
	}
}

func TestADifferenceNamesTheFieldThatIsMissing(t *testing.T) {
	thinned := `{"file":"FILE","rule":"data.stategate.storage.few.violation","without":"workload.zones",` +
		`"input":{"workload":{"replicas":1}},"answer":[` + first + `]}`
	found, err := differences(t, policy, policyTest, test, agreed, thinned)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "without workload.zones: data.") {
		t.Errorf("%v %q", err, found)
	}
}

func TestAFailureOfOPAIsADifference(t *testing.T) {
	failing := strings.ReplaceAll(policy, "< 2", "< to_number(input.workload.zones[0])")
	passing := strings.ReplaceAll(policyTest, `["a"]`, `["3"]`)
	passing = strings.ReplaceAll(passing, `"msg": "a"`, `"msg": "3"`)
	found, err := differences(t, failing, passing, test, asked+`"answer":[]}`)
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "OPA:       error: ") {
		t.Errorf("%v %q", err, found)
	}
	found, err = differences(t, failing, passing, test, asked+`"error":"in other words"}`)
	if err != nil || len(found) > 0 {
		t.Errorf("both failed, and yet %v %q", err, found)
	}
}

func TestWhatIsLeftOutIsADifference(t *testing.T) {
	second := strings.ReplaceAll(test, "test_one", "test_two")
	cases := map[string]struct {
		policyTest string
		record     []string
		want       string
	}{
		"a test that only stategate runs":   {policyTest, []string{test, second, agreed}, "OPA did not"},
		"a test that only OPA runs":         {policyTest, []string{agreed}, "stategate did not"},
		"one name for two tests":            {policyTest + "\ntest_one if few.violation", []string{test, agreed}, "stategate did not"},
		"a test that fails on OPA":          {strings.ReplaceAll(policyTest, `"a"]`, `"b"]`), []string{test, agreed}, "does not pass on OPA"},
		"an example that nobody asked":      {policyTest, []string{test, strings.ReplaceAll(agreed, "FILE", "other.yaml")}, "no question about this example"},
		"a rule that was asked for nothing": {policyTest, []string{test, strings.ReplaceAll(agreed, "few.violation", "few_test.few")}, "no question to it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found, err := differences(t, policy, c.policyTest, c.record...)
			if err != nil || !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("%v %q", err, found)
			}
		})
	}
}

func TestWhatOPADoesNotCompileEndsTheRun(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"a builtin that OPA lacks": {"workload.lacks(input)", "undefined function workload.lacks"},
		"an unused name":           {"unused := 1", "unused"},
		"a fault of syntax":        {"x := ", "rego_parse_error"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := differences(t, policy+"\nmore if {\n\t"+c.line+"\n}\n", policyTest, test, agreed)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAnEmptyRecordEndsTheRun(t *testing.T) {
	if _, err := differences(t, policy, policyTest); err == nil {
		t.Error("nothing was compared, and nothing was said")
	}
}
