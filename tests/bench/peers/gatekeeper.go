package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/drivers/rego/schema"
	"github.com/open-policy-agent/frameworks/constraint/pkg/client/reviews"
	"github.com/open-policy-agent/frameworks/constraint/pkg/core/templates"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/mutation/types"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/target"
	"github.com/open-policy-agent/gatekeeper/v3/pkg/util"
	admission "k8s.io/api/admission/v1"
	registration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stategate.io/tests/bench/common"
)

// gatekeeper is its engine as its own main function makes it, with a ConstraintTemplate and a constraint for each
// policy.
func gatekeeper(policies users) (*client.Client, error) {
	// Referential data is enabled by default, though these policies read none.
	driver, err := rego.New(rego.Tracing(false), rego.Externs("inventory"))
	if err != nil {
		return nil, err
	}
	engine, err := client.NewClient(
		client.Targets(&target.K8sValidationTarget{}), client.Driver(driver),
		client.EnforcementPoints(util.AuditEnforcementPoint, util.WebhookEnforcementPoint),
	)
	if err != nil {
		return nil, err
	}
	for _, one := range policies.policies {
		template, err := templateOf(one, policies.libraries)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", one.path, err)
		}
		if _, err := engine.AddTemplate(context.Background(), template); err != nil {
			return nil, fmt.Errorf("%s: %w", one.path, err)
		}
		if _, err := engine.AddConstraint(context.Background(), constraintOf(one)); err != nil {
			return nil, fmt.Errorf("%s: %w", one.path, err)
		}
	}
	return engine, nil
}

// templateOf has the policy as it is, except that Gatekeeper wants libraries below data.lib.
func templateOf(policy module, libraries []module) (*templates.ConstraintTemplate, error) {
	source := schema.Source{Version: "v1"}
	var err error
	source.Rego, err = replaced(policy.text, "data.stategate.", "data.stategate.lib.", "data.lib.")
	if err != nil {
		return nil, err
	}
	for _, library := range libraries {
		text, err := replaced(library.text, "stategate.", "package stategate.lib.", "package lib.", "data.stategate.lib.", "data.lib.")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", library.path, err)
		}
		source.Libs = append(source.Libs, text)
	}
	judge := templates.Target{
		Target: target.Name,
		Code:   []templates.Code{{Engine: schema.Name, Source: &templates.Anything{Value: source.ToUnstructured()}}},
	}
	for _, operation := range policy.match.Operations {
		judge.Operations = append(judge.Operations, registration.OperationType(operation))
	}
	template := &templates.ConstraintTemplate{ObjectMeta: meta.ObjectMeta{Name: strings.ToLower(kindOf(policy))}}
	template.Spec.CRD.Spec.Names.Kind = kindOf(policy)
	template.Spec.Targets = []templates.Target{judge}
	return template, nil
}

func constraintOf(policy module) *unstructured.Unstructured {
	var kinds []any
	for _, kind := range policy.match.Kinds {
		name, group, _ := strings.Cut(kind, ".")
		kinds = append(kinds, map[string]any{"apiGroups": []any{group}, "kinds": []any{name}})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "constraints.gatekeeper.sh/v1beta1",
		"kind":       kindOf(policy),
		"metadata":   map[string]any{"name": strings.ReplaceAll(policy.name, "_", "-")},
		"spec":       map[string]any{"match": map[string]any{"kinds": kinds}},
	}}
}

// kindOf is raw_image_tag as RawImageTag.
func kindOf(policy module) string {
	var kind strings.Builder
	for word := range strings.SplitSeq(policy.name, "_") {
		kind.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return kind.String()
}

// gatekeeperReviewers ask the engine what Gatekeeper's webhook asks it, with requests that were parsed before.
func gatekeeperReviewers(policies users, bodies [][]byte) ([]common.Reviewer, error) {
	engine, err := gatekeeper(policies)
	if err != nil {
		return nil, err
	}
	var all []common.Reviewer
	for _, body := range bodies {
		var read admission.AdmissionReview
		if err := json.Unmarshal(body, &read); err != nil {
			return nil, err
		}
		review := &target.AugmentedReview{
			AdmissionRequest: read.Request, Namespace: namespaceOf(read.Request.Namespace),
			Source: types.SourceTypeOriginal, IsAdmission: true,
		}
		all = append(all, func() ([]string, error) { return denials(engine, review) })
	}
	return all, nil
}

func denials(engine *client.Client, review *target.AugmentedReview) ([]string, error) {
	options := []reviews.ReviewOpt{
		reviews.EnforcementPoint(util.WebhookEnforcementPoint),
		util.NamespaceReviewOpt(review.Namespace, logr.Discard()),
	}
	found, err := engine.Review(context.Background(), review, options...)
	if err != nil {
		return nil, err
	}
	var messages []string
	for _, result := range found.Results() {
		messages = append(messages, result.Msg)
	}
	return messages, nil
}

// namespaceOf is what the webhook reads from its cache.
func namespaceOf(name string) *core.Namespace {
	return &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{core.LabelMetadataName: name}}}
}
