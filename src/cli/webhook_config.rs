//! `stategate webhook-config`: the configuration with which the API server calls stategate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use super::cluster::ClusterArguments;
use super::inventory::InventoryArguments;
use super::policies::{PolicyArguments, load};
use super::{Exit, print};
use crate::admission::{GroupKind, Operation, ReviewScope};
use crate::plain;
use crate::policyset::{DocumentKind, PolicySet, crds, documents};
use crate::source;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate webhook-config --url https://127.0.0.1:8443 --ca-file ca.crt | kubectl apply -f -
  stategate webhook-config --service stategate/stategate --ca-file ca.crt > webhooks.yaml

Policies and bindings of a cluster count with --context or --kubeconfig: run it again when a Policy
reviews another kind or operation than before, or the API server does not ask.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// The URL at which the API server reaches stategate: https://host:port
    #[arg(long, value_name = "URL", required_unless_present = "service", conflicts_with = "service")]
    url: Option<String>,

    /// The Service in front of stategate: namespace/name or namespace/name:port
    #[arg(long, value_name = "NAMESPACE/NAME")]
    service: Option<String>,

    /// The certificate authority (PEM) that signed stategate's certificate [default: the API server's own roots]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// The name of both webhook configurations
    #[arg(long, default_value = "stategate")]
    name: String,

    /// Seconds that the API server waits for an answer
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=30))]
    timeout: i32,
}

/// Namespaces whose writes never reach stategate: the cluster must be able to run and to heal itself.
pub const EXEMPT_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// CEL over the user of the request only: `object` is null on DELETE, and an expression that fails under
/// `Fail` refuses the write. Absent fields are errors in CEL, so `has` guards each.
const CONDITIONS: [(&str, &str); 3] = [
    ("not-a-node", r#"!has(request.userInfo.groups) || !("system:nodes" in request.userInfo.groups)"#),
    (
        "not-a-kube-system-controller",
        r#"!has(request.userInfo.username) || !request.userInfo.username.startsWith("system:serviceaccount:kube-system:")"#,
    ),
    (
        "not-the-control-plane",
        r#"!has(request.userInfo.username) || !(request.userInfo.username in ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:cloud-controller-manager"])"#,
    ),
];

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if let Some(url) = &arguments.url {
        check_url(url)?;
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    anyhow::ensure!(
        !arguments.name.is_empty() && arguments.name.chars().all(plain),
        "--name {:?}: use lower-case letters, digits, dashes and dots only",
        arguments.name
    );
    let source = arguments.policies.source();
    let set = match arguments.cluster.access(&InventoryArguments::default())? {
        Some(access) => arguments.cluster.policy_set(&source, &access)?,
        None => load(&source)?,
    };
    let ca_bundle = match &arguments.ca_file {
        Some(file) => Some(ByteString(certificates(file)?)),
        None => None,
    };
    let webhooks =
        Webhooks { arguments, ca_bundle, service: arguments.service.as_deref().map(service).transpose()? };
    let validating = webhooks.validating(&set)?;
    let mutating = webhooks.mutating(&set)?;
    let mut text = head(&arguments.name, &set);
    text.push_str(&yaml_serde::to_string(&validating)?);
    if let Some(mutating) = mutating {
        text.push_str("---\n");
        text.push_str(&yaml_serde::to_string(&mutating)?);
    }
    print(&text)?;
    Ok(Exit::Clean)
}

/// What the API server accepts: https, without query or fragment.
fn check_url(url: &str) -> anyhow::Result<()> {
    let rest = url
        .strip_prefix("https://")
        .ok_or_else(|| anyhow::anyhow!("--url {url:?}: the API server calls webhooks over https only"))?;
    anyhow::ensure!(
        !url.contains(|c: char| matches!(c, '?' | '#' | '@') || c.is_whitespace() || c.is_control()),
        "--url {url:?}: must not have a query, fragment, user or white space"
    );
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    anyhow::ensure!(!host.is_empty(), "--url {url:?}: has no host");
    if let Some(port) = port {
        anyhow::ensure!(
            port.parse::<u16>().is_ok_and(|port| port > 0),
            "--url {url:?}: {port:?} is not a port"
        );
    }
    Ok(())
}

fn head(name: &str, set: &PolicySet) -> String {
    format!(
        "# Written by `stategate webhook-config` for profile {} (policy set {}).\n\
         #\n\
         # Break glass: if stategate is down and a write must go through at once, this command removes it:\n\
         #   kubectl delete validatingwebhookconfiguration,mutatingwebhookconfiguration {name}\n\
         # Applying this file again brings it back.\n",
        set.profile(),
        set.digest().get(..12).unwrap_or_default(),
    )
}

fn certificates(file: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    let pem = source::read_bytes(file).map_err(crate::diagnostic::Diagnostics::from)?;
    let text = String::from_utf8_lossy(&pem);
    anyhow::ensure!(
        text.contains("-----BEGIN CERTIFICATE-----"),
        "{}: contains no certificate; --ca-file takes a PEM file with BEGIN CERTIFICATE",
        plain::path(file)
    );
    anyhow::ensure!(
        !text.contains("PRIVATE KEY"),
        "{}: contains a private key; give the certificate alone",
        plain::path(file)
    );
    Ok(pem)
}

fn service(text: &str) -> anyhow::Result<ServiceReference> {
    let wrong = || anyhow::anyhow!("--service {text:?}: write namespace/name or namespace/name:port");
    let (namespace, name) = text.split_once('/').ok_or_else(wrong)?;
    let (name, port) = match name.split_once(':') {
        Some((name, port)) => (name, Some(port.parse().map_err(|_| wrong())?)),
        None => (name, None),
    };
    anyhow::ensure!(!namespace.is_empty() && !name.is_empty(), wrong());
    Ok(ServiceReference { namespace: namespace.to_owned(), name: name.to_owned(), path: None, port })
}

struct Webhooks<'a> {
    arguments: &'a Arguments,
    ca_bundle: Option<ByteString>,
    service: Option<ServiceReference>,
}

impl Webhooks<'_> {
    fn validating(&self, set: &PolicySet) -> anyhow::Result<ValidatingWebhookConfiguration> {
        let (fail, ignore): (BTreeSet<ReviewScope>, BTreeSet<ReviewScope>) =
            set.coverage().into_iter().partition(may_stop_a_write);
        let mut webhooks = [("fail", "Fail", fail), ("ignore", "Ignore", ignore)]
            .into_iter()
            .filter(|(_, _, scopes)| !scopes.is_empty())
            .map(|(path, failure_policy, scopes)| {
                Ok(ValidatingWebhook {
                    name: format!("{path}.validate.stategate.io"),
                    client_config: self.client(&format!("/validate/{path}")),
                    rules: Some(rules(set, &scopes)?),
                    failure_policy: Some(failure_policy.to_owned()),
                    match_policy: Some("Equivalent".to_owned()),
                    match_conditions: Some(conditions()),
                    namespace_selector: Some(self.namespaces()),
                    object_selector: None,
                    side_effects: "None".to_owned(),
                    timeout_seconds: Some(self.arguments.timeout),
                    admission_review_versions: vec!["v1".to_owned()],
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        webhooks.push(self.documents());
        Ok(ValidatingWebhookConfiguration { metadata: self.metadata(), webhooks: Some(webhooks) })
    }

    /// stategate's own resources, in all namespaces. Always `Ignore`: a faulty one that slips in takes nothing with
    /// it, and one that is urgent must not wait for stategate. Trying a Policy takes longer than a review.
    fn documents(&self) -> ValidatingWebhook {
        let rule = |scope: &str, kinds: &[DocumentKind]| RuleWithOperations {
            api_groups: Some(vec![documents::GROUP.to_owned()]),
            api_versions: Some(vec![documents::VERSION.to_owned()]),
            operations: Some([Operation::Create, Operation::Update].map(|one| one.to_string()).to_vec()),
            resources: Some(kinds.iter().map(|kind| crds::plural(*kind).to_owned()).collect()),
            scope: Some(scope.to_owned()),
        };
        ValidatingWebhook {
            name: "policies.validate.stategate.io".to_owned(),
            client_config: self.client("/validate/ignore"),
            rules: Some(vec![
                rule("Cluster", &[DocumentKind::Policy, DocumentKind::PolicyBinding]),
                rule("Namespaced", &[DocumentKind::PolicyException]),
            ]),
            failure_policy: Some("Ignore".to_owned()),
            match_policy: Some("Equivalent".to_owned()),
            match_conditions: None,
            namespace_selector: None,
            object_selector: None,
            side_effects: "None".to_owned(),
            timeout_seconds: Some(self.arguments.timeout.max(10)),
            admission_review_versions: vec!["v1".to_owned()],
        }
    }

    /// Always `Ignore`: mutation is not worth an outage.
    fn mutating(&self, set: &PolicySet) -> anyhow::Result<Option<MutatingWebhookConfiguration>> {
        let scopes = set.mutation_coverage();
        if scopes.is_empty() {
            return Ok(None);
        }
        let webhook = MutatingWebhook {
            name: "mutate.stategate.io".to_owned(),
            client_config: self.client("/mutate"),
            rules: Some(rules(set, &scopes)?),
            failure_policy: Some("Ignore".to_owned()),
            match_policy: Some("Equivalent".to_owned()),
            match_conditions: Some(conditions()),
            namespace_selector: Some(self.namespaces()),
            object_selector: None,
            reinvocation_policy: Some("IfNeeded".to_owned()),
            side_effects: "None".to_owned(),
            timeout_seconds: Some(self.arguments.timeout),
            admission_review_versions: vec!["v1".to_owned()],
        };
        Ok(Some(MutatingWebhookConfiguration { metadata: self.metadata(), webhooks: Some(vec![webhook]) }))
    }

    fn metadata(&self) -> ObjectMeta {
        ObjectMeta {
            name: Some(self.arguments.name.clone()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/name".to_owned(), "stategate".to_owned())])),
            ..ObjectMeta::default()
        }
    }

    fn client(&self, path: &str) -> WebhookClientConfig {
        let url = self.arguments.url.as_ref().map(|url| format!("{}{path}", url.trim_end_matches('/')));
        let service =
            self.service.clone().map(|service| ServiceReference { path: Some(path.to_owned()), ..service });
        WebhookClientConfig { ca_bundle: self.ca_bundle.clone(), service, url }
    }

    fn namespaces(&self) -> LabelSelector {
        let own = self.service.as_ref().map(|service| service.namespace.as_str());
        let names: Vec<String> = EXEMPT_NAMESPACES.into_iter().chain(own).map(str::to_owned).collect();
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

fn conditions() -> Vec<MatchCondition> {
    CONDITIONS
        .map(|(name, expression)| MatchCondition { name: name.to_owned(), expression: expression.to_owned() })
        .to_vec()
}

/// Kinds that are scopes about in the same way share a rule.
fn rules(set: &PolicySet, scopes: &BTreeSet<ReviewScope>) -> anyhow::Result<Vec<RuleWithOperations>> {
    let mut operations: BTreeMap<(&GroupKind, &String), BTreeSet<Operation>> = BTreeMap::new();
    for ReviewScope { kind, operation, subresource } in scopes {
        operations.entry((kind, subresource)).or_default().insert(*operation);
    }
    let mut rules: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((kind, subresource), operations) in operations {
        let projection = set.projections().of(kind).ok_or_else(|| {
            anyhow::anyhow!("there is no projection for {} in policies/workloads", kind.kind)
        })?;
        let resource = match subresource.as_str() {
            "" => projection.plural.clone(),
            subresource => format!("{}/{subresource}", projection.plural),
        };
        let key = (kind.group.clone(), projection.versions.clone(), projection.namespaced, operations);
        rules.entry(key).or_default().push(resource);
    }
    Ok(rules
        .into_iter()
        .map(|((group, versions, namespaced, operations), mut resources)| {
            resources.sort();
            RuleWithOperations {
                api_groups: Some(vec![group]),
                api_versions: Some(versions),
                operations: Some(operations.iter().map(ToString::to_string).collect()),
                resources: Some(resources),
                scope: Some(if namespaced { "Namespaced" } else { "Cluster" }.to_owned()),
            }
        })
        .collect())
}
