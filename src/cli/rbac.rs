//! `stategate rbac`: the rights that `stategate serve` needs for a policy set.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::cluster::OWN_NAMESPACE;
use super::policies::PolicyArguments;
use super::serve::WebhookMode;
use super::webhook_config::name;
use super::{Exit, print};
use crate::admission::GroupKind;
use crate::cluster::{Lease, ReportKinds, Resource};
use crate::policy::kinds;
use crate::policyset::webhooks::LABELS;
use crate::policyset::{DocumentKind, PolicySet, crds, documents};
use crate::review::keeps_revisions;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate rbac
  stategate rbac --policy-reports --service-account stategate-system/stategate | kubectl apply -f -
  stategate rbac --webhooks manage --tls-secret stategate-tls")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    /// Also what `serve --policy-reports` needs, as a role of its own
    #[arg(long)]
    policy_reports: bool,

    /// Also what `serve --events` needs, as a role of its own
    #[arg(long)]
    events: bool,

    /// Also what `serve --webhooks` needs, as a role of its own
    #[arg(long, value_enum, value_name = "MODE")]
    webhooks: Option<WebhookMode>,

    /// Also what `serve --tls-secret` needs
    #[arg(long, value_name = "NAME", value_parser = name)]
    tls_secret: Option<String>,

    /// The name of the webhook configurations
    #[arg(long, default_value = "stategate", value_name = "NAME", value_parser = name)]
    webhook_config: String,

    /// Bind the roles to this ServiceAccount, in whose namespace stategate runs
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = account)]
    service_account: Option<Account>,
}

/// A ServiceAccount.
#[derive(Clone)]
struct Account {
    namespace: String,
    name: String,
}

fn account(text: &str) -> Result<Account, String> {
    let (namespace, account) = text.split_once('/').ok_or("write NAMESPACE/NAME")?;
    let [namespace, name] = [namespace, account].map(|text| name(text).map_err(|_| "write NAMESPACE/NAME"));
    Ok(Account { namespace: namespace?, name: name? })
}

/// The name of all roles and bindings; those of the reports and events end in `-reports` and `-events`, that of the
/// authorities in `-certificates`, and that of the webhook configurations begins with their name and ends in `-webhooks`.
const NAME: &str = "stategate";

const FOLLOW: [&str; 2] = ["list", "watch"];
const WRITE: [&str; 5] = ["get", "list", "create", "update", "delete"];

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = arguments.policies.policy_set()?;
    let account = arguments.service_account.as_ref();
    let namespace = account.map_or(OWN_NAMESPACE, |account| &account.namespace);
    let mut roles = vec![("ClusterRole", NAME.to_owned(), serving(&set))];
    if arguments.policy_reports {
        roles.push(("ClusterRole", format!("{NAME}-reports"), reporting(&set)));
    }
    if arguments.events {
        roles.push(("ClusterRole", format!("{NAME}-events"), telling()));
    }
    let webhooks = format!("{}-webhooks", arguments.webhook_config);
    if let Some(mode) = arguments.webhooks {
        roles.push(("ClusterRole", webhooks.clone(), arguments.configuring(mode, &webhooks)));
    }
    if arguments.tls_secret.is_some() {
        roles.push((
            "ClusterRole",
            format!("{NAME}-certificates"),
            arguments.on_configurations(&["get", "patch"]),
        ));
    }
    roles.push(("Role", NAME.to_owned(), arguments.own()));
    let mut all = Vec::new();
    for (kind, name, rules) in &roles {
        let mut more = if *kind == "Role" { format!(", namespace: {namespace}") } else { String::new() };
        if *name == webhooks {
            let labels = LABELS.map(|(key, value)| format!("{key}: {value}")).join(", ");
            more = format!(", labels: {{{labels}}}");
        }
        let head = |kind: &str| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}{more}}}\n"
            )
        };
        all.push(format!("{}rules:\n{rules}", head(kind)));
        if let Some(account) = account {
            all.push(format!(
                "{}roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: {name}}}\n\
                 subjects:\n- {{kind: ServiceAccount, name: {}, namespace: {namespace}}}\n",
                head(&format!("{kind}Binding")),
                account.name
            ));
        }
    }
    print(&all.join("---\n"))?;
    Ok(Exit::Clean)
}

impl Arguments {
    /// What is needed to look after the webhook configurations. The binding of this role is looked at, since they go
    /// with it. A right to create cannot be limited to a name.
    fn configuring(&self, mode: WebhookMode, binding: &str) -> String {
        if mode == WebhookMode::Report {
            return self.on_configurations(&["get"]);
        }
        let bindings = "apiGroups: [rbac.authorization.k8s.io], resources: [clusterrolebindings]";
        format!(
            "- {{{}, verbs: [create]}}\n{}{}",
            configurations(),
            self.on_configurations(&["get", "update", "delete"]),
            named(bindings, binding, &["get"])
        )
    }

    fn on_configurations(&self, verbs: &[&str]) -> String {
        named(&configurations(), &self.webhook_config, verbs)
    }

    /// What is needed in stategate's own namespace.
    fn own(&self) -> String {
        let kept = |group: &str, resource: &str, name: &str| {
            let objects = format!("apiGroups: [{}], resources: [{resource}]", word(group));
            let named = named(&objects, name, &["get", "update"]);
            format!("- {{{objects}, verbs: [create]}}\n{named}")
        };
        let mut rules = kept("coordination.k8s.io", "leases", Lease::NAME);
        if let Some(secret) = &self.tls_secret {
            rules.push_str(&kept("", "secrets", secret));
        }
        if self.webhooks == Some(WebhookMode::Manage) {
            rules.push_str("- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}\n");
        }
        rules
    }
}

/// The webhook configurations, in a rule.
fn configurations() -> String {
    let resources = Resource::webhook_configurations().map(|one| one.plural).join(", ");
    format!("apiGroups: [admissionregistration.k8s.io], resources: [{resources}]")
}

/// A rule about one object.
fn named(objects: &str, name: &str, verbs: &[&str]) -> String {
    format!("- {{{objects}, resourceNames: [{}], verbs: [{}]}}\n", word(name), verbs.join(", "))
}

/// Verbs of resources, which are pairs of group and plural name.
#[derive(Default)]
struct Rules(BTreeMap<(String, String), BTreeSet<&'static str>>);

impl Rules {
    fn allow(&mut self, group: &str, resource: String, verbs: &[&'static str]) {
        self.0.entry((group.to_owned(), resource)).or_default().extend(verbs);
    }

    /// As a YAML list. Resources of a group with the same verbs share a rule.
    fn text(self) -> String {
        let mut rules: Vec<(String, Vec<&str>, Vec<String>)> = Vec::new();
        for ((group, resource), verbs) in self.0 {
            let verbs = ORDER.into_iter().filter(|verb| verbs.contains(verb)).collect();
            match rules.iter_mut().find(|(other, same, _)| *other == group && *same == verbs) {
                Some((_, _, resources)) => resources.push(resource),
                None => rules.push((group, verbs, vec![resource])),
            }
        }
        let rule = |(group, verbs, resources): &(String, Vec<&str>, Vec<String>)| {
            let resources: Vec<String> = resources.iter().map(|name| word(name)).collect();
            let (resources, verbs) = (resources.join(", "), verbs.join(", "));
            format!("- {{apiGroups: [{}], resources: [{resources}], verbs: [{verbs}]}}\n", word(group))
        };
        rules.iter().map(rule).collect()
    }
}

/// The order in which verbs are written.
const ORDER: [&str; 7] = ["get", "list", "watch", "create", "update", "patch", "delete"];

/// A name in YAML: plain if it can be.
fn word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '/';
    match name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(plain) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    }
}

/// What `serve` reads, and where it writes what became of stategate's own resources.
fn serving(set: &PolicySet) -> String {
    let mut rules = Rules::default();
    for kind in set.needed_kinds().keys() {
        rules.allow(&kind.group, resource(set, kind), &FOLLOW);
    }
    // Read before a review, if they are not known yet: the Namespace of an object, and the parent of a `scale`.
    rules.allow("", "namespaces".to_owned(), &["get"]);
    for scope in set.coverage().into_iter().filter(|scope| scope.subresource == "scale") {
        rules.allow(&scope.kind.group, resource(set, &scope.kind), &["get"]);
    }
    // Read before a rollout is refused: it may bring back what ran before.
    if set.coverage().iter().any(|scope| keeps_revisions(&scope.kind)) {
        rules.allow("apps", "controllerrevisions".to_owned(), &["list"]);
    }
    for kind in DocumentKind::ALL {
        let plural = crds::plural(kind);
        rules.allow(documents::GROUP, plural.to_owned(), &["get", "list", "watch"]);
        rules.allow(documents::GROUP, format!("{plural}/status"), &["patch"]);
    }
    rules.text()
}

/// What the audit in the background lists beyond that, and the reports that it writes.
fn reporting(set: &PolicySet) -> String {
    let mut rules = Rules::default();
    let followed = set.needed_kinds();
    for kind in set.reviewed_kinds().keys().filter(|kind| !followed.contains_key(kind)) {
        rules.allow(&kind.group, resource(set, kind), &["list"]);
    }
    for kind in ReportKinds::all() {
        rules.allow(&kind.group, kinds::plural(&kind.kind), &WRITE);
    }
    rules.text()
}

/// The Events about refusals.
fn telling() -> String {
    let Resource { kind, plural, .. } = Resource::events();
    let mut rules = Rules::default();
    rules.allow(&kind.group, plural, &["create", "patch"]);
    rules.text()
}

/// The plural name of a kind: that of its projection, or what its name says.
fn resource(set: &PolicySet, kind: &GroupKind) -> String {
    set.projections().of(kind).map_or_else(|| kinds::plural(&kind.kind), |one| one.plural.clone())
}
