//! The webhook configurations that a policy set needs: which requests the API server sends to stategate, and what
//! happens if nobody answers.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use serde_json::Value;

use super::match_conditions::conditions;
use super::{DocumentKind, PolicySet, crds, documents};
use crate::admission::{GroupKind, Operation, ReviewScope};

/// Namespaces whose writes never reach stategate: the cluster must be able to run and to heal itself.
pub const EXEMPT_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// The labels of both configurations. The command that removes them in an emergency selects by these.
pub const LABELS: [(&str, &str); 2] =
    [("app.kubernetes.io/component", "webhooks"), ("app.kubernetes.io/name", "stategate")];

/// The annotation of both configurations that tells AKS' admissions enforcer to leave them alone. It adds selectors of its
/// own to every webhook, as often as somebody takes them out again. kube-system is exempt without it.
const LEFT_ALONE: (&str, &str) = ("admissions.enforcer/disabled", "true");

/// Whether a stored configuration has the label by which stategate knows its own.
pub fn is_labelled(configuration: &Value) -> bool {
    let [_, (key, value)] = LABELS;
    let labels = configuration.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(key)).and_then(Value::as_str) == Some(value)
}

/// Seconds that the API server waits in all where it goes on without an answer.
const PATIENCE: i32 = 2;
/// The same for each of two webhooks that are sent the same request.
const HALF: i32 = 1;
/// The same for Policies and PolicyBindings, which are tried before they are stored.
const TRIAL_TIMEOUT: i32 = 10;

/// How the API server reaches stategate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `https://host:port`, without a path.
    Url(String),
    /// A Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: i32,
    },
}

/// What the webhook configurations say that a policy set does not decide.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// The name of both configurations.
    pub name: String,
    /// How the API server reaches stategate.
    pub address: Address,
    /// Seconds that the API server waits where nobody's answer refuses the write.
    pub timeout: i32,
    /// Whether writes go on without stategate, whatever they are.
    pub fail_open: bool,
    /// Further namespaces whose writes never reach stategate, its own among them.
    pub exempt_namespaces: Vec<String>,
}

/// The webhook configurations of a policy set. All fields are stated, also those that have their default, so that they
/// can be compared with what is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookConfigurations {
    /// What is validated.
    pub validating: ValidatingWebhookConfiguration,
    /// What is mutated; none if no policy in force patches anything.
    pub mutating: Option<MutatingWebhookConfiguration>,
}

impl WebhookConfigurations {
    /// Those that `set` needs. `ca_bundle` are the authorities in PEM that the API server trusts; absent: those of the
    /// machine that it runs on.
    pub fn new(set: &PolicySet, options: &WebhookOptions, ca_bundle: Option<&[u8]>) -> Self {
        let ca_bundle = ca_bundle.map(|pem| ByteString(pem.to_vec()));
        let writer = Writer { set, options, ca_bundle };
        Self { validating: writer.validating(), mutating: writer.mutating() }
    }
}

struct Writer<'a> {
    set: &'a PolicySet,
    options: &'a WebhookOptions,
    ca_bundle: Option<ByteString>,
}

impl Writer<'_> {
    /// Whether a write is refused that nobody can judge.
    fn waits(&self, scope: &ReviewScope, denied: &BTreeSet<ReviewScope>) -> bool {
        may_stop_a_write(scope) && denied.contains(scope) && !self.options.fail_open
    }

    fn validating(&self) -> ValidatingWebhookConfiguration {
        let denied = self.set.denial_coverage();
        let mutated = self.set.mutation_coverage();
        let (fail, ignore): (BTreeSet<ReviewScope>, BTreeSet<ReviewScope>) =
            self.set.coverage().into_iter().partition(|scope| self.waits(scope, &denied));
        let (mutated, ignore) = ignore.into_iter().partition(|scope| mutated.contains(scope));
        let webhooks = [
            ("fail", "fail", "Fail", self.options.timeout, fail),
            ("ignore", "ignore", "Ignore", PATIENCE, ignore),
            ("mutated", "ignore", "Ignore", HALF, mutated),
        ];
        let judging = webhooks.into_iter().filter(|(.., scopes)| !scopes.is_empty()).map(
            |(name, path, failure_policy, timeout, scopes)| ValidatingWebhook {
                name: format!("{name}.validate.stategate.io"),
                rules: Some(rules(self.set, &scopes)),
                failure_policy: Some(failure_policy.to_owned()),
                match_conditions: Some(conditions(self.set, &scopes)),
                namespace_selector: Some(self.namespaces()),
                timeout_seconds: Some(timeout),
                ..self.webhook(&format!("/validate/{path}"))
            },
        );
        let webhooks = judging.chain(self.documents()).collect();
        ValidatingWebhookConfiguration { metadata: self.metadata(), webhooks: Some(webhooks) }
    }

    /// stategate's own resources, in all namespaces. Always `Ignore`: a faulty one that slips in takes nothing with
    /// it, and one that is urgent must not wait for stategate.
    fn documents(&self) -> [ValidatingWebhook; 2] {
        let webhook = |name: &str, timeout, scope: &str, kinds: &[DocumentKind]| ValidatingWebhook {
            name: format!("{name}.validate.stategate.io"),
            rules: Some(vec![RuleWithOperations {
                api_groups: Some(vec![documents::GROUP.to_owned()]),
                api_versions: Some(vec![documents::VERSION.to_owned()]),
                operations: Some([Operation::Create, Operation::Update].map(|one| one.to_string()).to_vec()),
                resources: Some(kinds.iter().map(|kind| crds::plural(*kind).to_owned()).collect()),
                scope: Some(scope.to_owned()),
            }]),
            failure_policy: Some("Ignore".to_owned()),
            namespace_selector: Some(LabelSelector::default()),
            timeout_seconds: Some(timeout),
            ..self.webhook("/validate/ignore")
        };
        let (policies, exceptions) =
            ([DocumentKind::Policy, DocumentKind::PolicyBinding], [DocumentKind::PolicyException]);
        [
            webhook("policies", TRIAL_TIMEOUT, "Cluster", &policies),
            webhook("exceptions", PATIENCE, "Namespaced", &exceptions),
        ]
    }

    fn webhook(&self, path: &str) -> ValidatingWebhook {
        ValidatingWebhook {
            client_config: self.client(path),
            match_policy: Some("Equivalent".to_owned()),
            object_selector: Some(LabelSelector::default()),
            side_effects: "None".to_owned(),
            admission_review_versions: vec!["v1".to_owned()],
            ..ValidatingWebhook::default()
        }
    }

    /// Always `Ignore`: mutation is not worth an outage. What must not wait for stategate is asked about once: another
    /// webhook's change of the object is no reason to wait again.
    fn mutating(&self) -> Option<MutatingWebhookConfiguration> {
        let denied = self.set.denial_coverage();
        let (again, once): (BTreeSet<ReviewScope>, BTreeSet<ReviewScope>) =
            self.set.mutation_coverage().into_iter().partition(|scope| self.waits(scope, &denied));
        let webhooks: Vec<MutatingWebhook> =
            [("mutate", "IfNeeded", PATIENCE, again), ("once.mutate", "Never", HALF, once)]
                .into_iter()
                .filter(|(.., scopes)| !scopes.is_empty())
                .map(|(name, reinvocation, timeout, scopes)| MutatingWebhook {
                    name: format!("{name}.stategate.io"),
                    client_config: self.client("/mutate"),
                    rules: Some(rules(self.set, &scopes)),
                    failure_policy: Some("Ignore".to_owned()),
                    match_policy: Some("Equivalent".to_owned()),
                    match_conditions: Some(conditions(self.set, &scopes)),
                    namespace_selector: Some(self.namespaces()),
                    object_selector: Some(LabelSelector::default()),
                    reinvocation_policy: Some(reinvocation.to_owned()),
                    side_effects: "None".to_owned(),
                    timeout_seconds: Some(timeout),
                    admission_review_versions: vec!["v1".to_owned()],
                })
                .collect();
        let configuration =
            |webhooks| MutatingWebhookConfiguration { metadata: self.metadata(), webhooks: Some(webhooks) };
        (!webhooks.is_empty()).then(|| configuration(webhooks))
    }

    fn metadata(&self) -> ObjectMeta {
        let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        ObjectMeta {
            name: Some(self.options.name.clone()),
            labels: Some(LABELS.map(text).into()),
            annotations: Some([LEFT_ALONE].map(text).into()),
            ..ObjectMeta::default()
        }
    }

    fn client(&self, path: &str) -> WebhookClientConfig {
        let (url, service) = match &self.options.address {
            Address::Url(url) => (Some(format!("{}{path}", url.trim_end_matches('/'))), None),
            Address::Service { namespace, name, port } => {
                let (namespace, name) = (namespace.clone(), name.clone());
                let path = Some(path.to_owned());
                (None, Some(ServiceReference { namespace, name, path, port: Some(*port) }))
            }
        };
        WebhookClientConfig { ca_bundle: self.ca_bundle.clone(), service, url }
    }

    fn namespaces(&self) -> LabelSelector {
        let own = match &self.options.address {
            Address::Service { namespace, .. } => Some(namespace.as_str()),
            Address::Url(_) => None,
        };
        let more = self.options.exempt_namespaces.iter().map(String::as_str);
        let mut names: Vec<String> = Vec::new();
        for name in EXEMPT_NAMESPACES.into_iter().chain(own).chain(more) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "NotIn".to_owned(),
                values: Some(names),
            }]),
            match_labels: None,
        }
    }
}

/// The writes that are refused when nobody can judge them. Everything else goes on without stategate, whatever
/// its severity.
fn may_stop_a_write(scope: &ReviewScope) -> bool {
    let ReviewScope { kind, operation, subresource } = scope;
    let name = (kind.kind.as_str(), kind.group.as_str());
    subresource.is_empty()
        && match operation {
            Operation::Create => matches!(name, ("StatefulSet", "apps") | ("StorageClass", "storage.k8s.io")),
            Operation::Update => matches!(name, ("StatefulSet", "apps")),
            Operation::Delete => {
                matches!(name, ("PersistentVolumeClaim" | "PersistentVolume" | "Namespace", ""))
            }
            Operation::Connect => false,
        }
}

/// Kinds that are scopes about in the same way share a rule. Only kinds with a projection have scopes.
fn rules(set: &PolicySet, scopes: &BTreeSet<ReviewScope>) -> Vec<RuleWithOperations> {
    let mut operations: BTreeMap<(&GroupKind, &String), BTreeSet<Operation>> = BTreeMap::new();
    for ReviewScope { kind, operation, subresource } in scopes {
        operations.entry((kind, subresource)).or_default().insert(*operation);
    }
    let mut rules: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((kind, subresource), operations) in operations {
        let Some(projection) = set.projections().of(kind) else { continue };
        let resource = match subresource.as_str() {
            "" => projection.plural.clone(),
            subresource => format!("{}/{subresource}", projection.plural),
        };
        let key = (kind.group.clone(), projection.versions.clone(), projection.namespaced, operations);
        rules.entry(key).or_default().push(resource);
    }
    let mut all = Vec::new();
    for ((group, versions, namespaced, operations), mut resources) in rules {
        resources.sort();
        all.push(RuleWithOperations {
            api_groups: Some(vec![group]),
            api_versions: Some(versions),
            operations: Some(operations.iter().map(ToString::to_string).collect()),
            resources: Some(resources),
            scope: Some(if namespaced { "Namespaced" } else { "Cluster" }.to_owned()),
        });
    }
    all
}
