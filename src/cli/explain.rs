//! `stategate explain`: what a policy demands, why, and how to fix a violation; and what holds of it in a namespace.

mod explanation;
mod question;

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};

use super::cluster::{self, ClusterArguments};
use super::inventory::InventoryArguments;
use super::policies::{Documents, EnforcementArguments, PolicyArguments, load_with};
use super::policy::pages::Library;
use super::{Exit, print, print_exactly, say};
use crate::cluster::{Access, Resource};
use crate::diagnostic::did_you_mean;
use crate::inventory::NAME_LABEL;
use crate::plain;
use crate::policy::Policy;
use crate::policy::binding::namespace_fault;
use crate::policyset::PolicySet;
use crate::report::page::terminal;
use crate::source::cluster_policies::documents_of;
use crate::source::policies::PolicySource;
use explanation::Explanation;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate explain volume-no-emptydir-data
  stategate explain backup-declared --namespace shop --context prod
  stategate explain backup-declared --namespace shop --bindings team.yaml --inventory cluster.yaml -o json

With --namespace it tells what holds there: the action, what happens if the policy fails, the parameters and who
set each of them; every binding, in order, and why it does or does not apply; and the exceptions.

Exit codes: 0 printed, 2 there is no such policy.")]
pub struct Arguments {
    /// The id of the policy
    id: String,

    #[command(flatten)]
    policies: PolicyArguments,

    /// Tell what holds in this namespace, and why
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    #[command(flatten)]
    enforcement: EnforcementArguments,

    #[command(flatten)]
    inventory: InventoryArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// The format of what holds in the namespace
    #[arg(short, long, value_enum, value_name = "FORMAT", requires = "namespace")]
    output: Option<Format>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    match &arguments.namespace {
        Some(namespace) => arguments.in_namespace(namespace),
        None => arguments.page(),
    }
}

impl Arguments {
    /// What the policy says itself, whatever binds it.
    fn page(&self) -> anyhow::Result<Exit> {
        let usual = "production";
        let given = [
            (self.policies.profile != usual, "--profile"),
            (!self.policies.bindings.is_empty(), "--bindings"),
            (self.enforcement.at_most().is_some(), "--enforcement"),
            (self.inventory.is_given(), "--inventory"),
            (self.cluster.is_named(), "--context"),
            (self.cluster.named_namespace().is_some(), "--own-namespace"),
        ];
        if let Some((_, flag)) = given.into_iter().find(|(given, _)| *given) {
            anyhow::bail!(
                "{flag} changes what holds in a namespace\n  help: add --namespace NAME, or leave it out for the page of the policy"
            );
        }
        let library = Library::new(self.policies.catalogue.tried()?)?;
        let policy = self.policy(library.policies())?;
        print(&terminal(&library.page(policy)?))?;
        Ok(Exit::Clean)
    }

    fn policy<'a>(&self, mut policies: impl Iterator<Item = &'a Policy>) -> anyhow::Result<&'a Policy> {
        let id = self.id.replace('_', "-");
        let mut known = Vec::new();
        if let Some(found) = policies.find(|policy| {
            known.push(policy.id.to_string());
            policy.id.as_str() == id
        }) {
            return Ok(found);
        }
        let help = did_you_mean(&id, known.iter().map(String::as_str))
            .unwrap_or_else(|| "`stategate policy list` shows all policies".to_owned());
        anyhow::bail!("there is no policy {}\n  help: {help}", self.id)
    }

    fn in_namespace(&self, namespace: &str) -> anyhow::Result<Exit> {
        if let Some(fault) = namespace_fault(namespace, &[]) {
            anyhow::bail!("--namespace: {fault}");
        }
        let at_most = self.enforcement.at_most();
        let source = PolicySource { at_most, ..self.policies.source() };
        let (set, labels) = match self.cluster.access(&self.inventory)? {
            Some(access) => self.of_cluster(&source, &access, namespace)?,
            None => self.of_files(&source, namespace)?,
        };
        let policy = self.policy(set.policies())?;
        let explanation = Explanation::of(&set, policy, namespace, labels, at_most, jiff::Timestamp::now());
        match self.output {
            Some(Format::Json) => print_exactly(&(plain::json(&explanation)? + "\n"))?,
            Some(Format::Text) | None => print(&terminal(&explanation.page()))?,
        }
        Ok(Exit::Clean)
    }

    /// The policies, and the labels of the namespace as far as the inventory tells.
    fn of_files(
        &self,
        source: &PolicySource,
        namespace: &str,
    ) -> anyhow::Result<(PolicySet, Option<Labels>)> {
        let files = self.inventory.source(namespace);
        let given = files.manifests()?;
        let documents =
            Documents { all: documents_of(&given), own_namespace: self.cluster.own_namespace(false) };
        let set = load_with(source, &documents)?;
        let inventory = files.inventory(&given, &set);
        let labels = inventory.namespace_labels(namespace).cloned();
        Ok((set, labels))
    }

    /// The same as a cluster tells.
    fn of_cluster(
        &self,
        source: &PolicySource,
        access: &Access,
        namespace: &str,
    ) -> anyhow::Result<(PolicySet, Option<Labels>)> {
        let (documents, labels) = cluster::runtime()?.block_on(async {
            let (cluster, resources) = cluster::discover(access).await?;
            let documents = self.cluster.documents(&cluster, &resources).await?;
            let labels = match cluster.get(&Resource::namespaces().object_path("", namespace)).await {
                Ok(Some(found)) => Some(labels(&found, namespace)),
                Ok(None) => {
                    say(&format!("warning: {} has no namespace {namespace}\n", cluster.name()));
                    None
                }
                Err(error) => {
                    let help = cluster.help(&error);
                    say(&format!(
                        "warning: the labels of {namespace} are not known: {error}\n  help: {help}\n"
                    ));
                    None
                }
            };
            anyhow::Ok((documents, labels))
        })?;
        Ok((load_with(source, &documents)?, labels))
    }
}

/// Of a namespace.
type Labels = BTreeMap<String, String>;

fn labels(namespace: &serde_json::Value, name: &str) -> Labels {
    let written = namespace.pointer("/metadata/labels").and_then(serde_json::Value::as_object);
    let text = |(key, value): (&String, &serde_json::Value)| Some((key.clone(), value.as_str()?.to_owned()));
    let mut labels: Labels = written.into_iter().flatten().filter_map(text).collect();
    labels.insert(NAME_LABEL.to_owned(), name.to_owned());
    labels
}
