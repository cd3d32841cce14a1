//! `stategate rbac`: the rights that `stategate serve` needs for a policy set.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::cluster::OWN_NAMESPACE;
use super::policies::PolicyArguments;
use super::{Exit, print};
use crate::admission::GroupKind;
use crate::cluster::{Lease, ReportKinds};
use crate::policy::kinds;
use crate::policyset::{DocumentKind, PolicySet, crds, documents};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate rbac
  stategate rbac --policy-reports --service-account stategate-system/stategate | kubectl apply -f -")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    /// Also what `serve --policy-reports` needs, as a role of its own
    #[arg(long)]
    policy_reports: bool,

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
    let is_name = |name: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        !name.is_empty() && name.len() <= 253 && name.chars().all(inner)
    };
    match text.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => {
            Ok(Account { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("write NAMESPACE/NAME".to_owned()),
    }
}

/// The name of all roles and bindings; that of the reports ends in `-reports`.
const NAME: &str = "stategate";

const FOLLOW: [&str; 2] = ["list", "watch"];
const WRITE: [&str; 5] = ["get", "list", "create", "update", "delete"];

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = arguments.policies.policy_set()?;
    let account = arguments.service_account.as_ref();
    let namespace = account.map_or(OWN_NAMESPACE, |account| &account.namespace);
    let mut roles = vec![("ClusterRole", NAME.to_owned(), serving(&set)), ("Role", NAME.to_owned(), own())];
    if arguments.policy_reports {
        roles.insert(1, ("ClusterRole", format!("{NAME}-reports"), reporting(&set)));
    }
    let mut all = Vec::new();
    for (kind, name, rules) in &roles {
        let place = if *kind == "Role" { format!(", namespace: {namespace}") } else { String::new() };
        let head = |kind: &str| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: {name}{place}}}\n"
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

/// What only the holder of the lease needs, in stategate's own namespace. A right to create cannot be limited to a
/// name.
fn own() -> String {
    let lease = "apiGroups: [coordination.k8s.io], resources: [leases]";
    format!(
        "- {{{lease}, verbs: [create]}}\n- {{{lease}, resourceNames: [{}], verbs: [get, update]}}\n",
        Lease::NAME
    )
}

/// The plural name of a kind: that of its projection, or what its name says.
fn resource(set: &PolicySet, kind: &GroupKind) -> String {
    set.projections().of(kind).map_or_else(|| kinds::plural(&kind.kind), |one| one.plural.clone())
}
