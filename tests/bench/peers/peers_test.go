package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/webhook"

	"stategate.io/tests/bench/common"
)

const workload = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":%q,` +
	`"namespace":"n","name":"a","kind":{"group":"apps","version":"v1","kind":%q},"object":{"apiVersion":"apps/v1",` +
	`"kind":%[2]q,"metadata":{"name":"a","namespace":"n"},"spec":{"template":{"spec":{"containers":[{"name":"c",` +
	`"image":"x:1","livenessProbe":{"exec":{}},"resources":{"requests":{"cpu":"1","memory":"1"},` +
	`"limits":{"memory":"1"}}}]}}}}}}`

const refusal = "container <c> of <a> has no readinessProbe"

func read(t *testing.T) users {
	t.Helper()
	policies, err := readUsers("../users")
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

func TestPoliciesSayWhatTheyMatch(t *testing.T) {
	policies := read(t)
	if len(policies.policies) != 10 || len(policies.libraries) != 1 {
		t.Fatal(policies)
	}
	for _, one := range policies.policies {
		if !strings.HasPrefix(one.text, "package stategate.") || !slices.Contains(one.match.Kinds, "StatefulSet.apps") ||
			!slices.Equal(one.match.Operations, []string{"CREATE", "UPDATE"}) {
			t.Errorf("%s: %+v", one.path, one)
		}
	}
	directory := t.TempDir()
	if _, err := readUsers(directory); err == nil {
		t.Error("there is no policy")
	}
	silent := "package stategate.a.b\n\nviolation contains v if {\n\tv := {\"msg\": \"m\"}\n}\n"
	if err := common.WriteFile(filepath.Join(directory, "b.rego"), []byte(silent)); err != nil {
		t.Fatal(err)
	}
	if _, err := readUsers(directory); err == nil {
		t.Error("the policy does not say what it matches")
	}
}

func TestBothEnginesRefuseTheSame(t *testing.T) {
	bodies := [][]byte{
		fmt.Appendf(nil, workload, "CREATE", "StatefulSet"), fmt.Appendf(nil, workload, "UPDATE", "Deployment"),
		fmt.Appendf(nil, workload, "CREATE", "ReplicaSet"), // which no policy is about
	}
	for name, of := range map[string]func(users, [][]byte) ([]common.Reviewer, error){
		"Gatekeeper": gatekeeperReviewers, "conftest": conftestReviewers,
	} {
		reviewers, err := of(read(t), bodies)
		if err != nil {
			t.Fatal(err)
		}
		for number, wanted := range [][]string{{refusal}, {refusal}, nil} {
			if found, err := reviewers[number](); err != nil || !slices.Equal(found, wanted) {
				t.Errorf("%s: request %d is refused for %q: %v", name, number, found, err)
			}
		}
	}
}

func TestGatekeepersWebhookNeedsNoCluster(t *testing.T) {
	server, err := gatekeeperServer(read(t), webhook.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for kind, wanted := range map[string]string{
		"StatefulSet": `"message":"[raw-readiness-probe] container \u003cc\u003e of \u003ca\u003e has no readinessProbe"`,
		"ReplicaSet":  `"allowed":true`,
	} {
		asked := httptest.NewRequest(http.MethodPost, "/v1/admit", strings.NewReader(fmt.Sprintf(workload, "CREATE", kind)))
		asked.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		server.WebhookMux().ServeHTTP(answer, asked)
		if text := answer.Body.String(); answer.Code != http.StatusOK || !strings.Contains(text, wanted) {
			t.Errorf("%s: %s", kind, text)
		}
	}
}

func TestPoliciesThatCannotBeAdapted(t *testing.T) {
	for _, text := range []string{
		"package stategate.a.b\n\nimport data.stategate.other\n\nviolation contains 1\n",
		"package stategate.a.b\n\nviolation contains v if {\n\tv := input.review.operation\n}\n",
	} {
		policy := module{name: "a_b", text: text}
		_, gatekeeper := templateOf(policy, nil)
		_, conftest := forConftest(policy)
		if gatekeeper == nil && conftest == nil {
			t.Errorf("%q: nobody says what is wrong", text)
		}
	}
	if _, err := forConftest(module{text: "package stategate.a.b\n"}); err == nil {
		t.Error("nothing says which kinds the policy is about")
	}
}

func TestKindsOfConstraints(t *testing.T) {
	if found := kindOf(module{name: "raw_image_tag"}); found != "RawImageTag" {
		t.Error(found)
	}
}
