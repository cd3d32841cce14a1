//! `stategate inventory`: the objects of a cluster that policies need to know, for runs that may not ask it.

use clap::Args;
use serde_json::{Value, json};

use super::cluster::{self, ClusterArguments};
use super::policies::{PolicyArguments, load_with};
use super::{Exit, print_exactly, say};
use crate::admission::{GroupKind, GroupVersionKind};
use crate::cluster::{Cluster, ClusterError, Resources};
use crate::plain;
use crate::policyset::DocumentKind;
use crate::policyset::documents::VERSION;
use crate::source::credentials;
use crate::yaml;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate inventory > cluster.yaml
  stategate check shop/ --inventory cluster.yaml

It prints the kinds that the policies need, Namespaces included, and an empty list for a kind without
objects; and the Policies, PolicyBindings and PolicyExceptions of the cluster, which `check` and `review` then
apply. Values that look like credentials are masked. It reads all namespaces; a kind that may not be
listed is left out, with a warning, and is then unknown.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    cluster: ClusterArguments,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let access = arguments.cluster.current();
    cluster::runtime()?.block_on(async {
        let (cluster, resources) = cluster::discover(&access).await?;
        let documents = arguments.cluster.documents(&cluster, &resources).await?;
        let set = load_with(&arguments.policies.source(), &documents)?;
        let mut kinds: Vec<_> = set.needed_kinds().into_iter().collect();
        kinds.extend(DocumentKind::ALL.map(|kind| (kind.group_kind(), vec![VERSION.to_owned()])));
        let mut exit = Exit::Clean;
        for (kind, versions) in kinds {
            match list(&cluster, &resources, &kind, &versions).await {
                Ok(text) => print_exactly(&text)?,
                Err(error) if cluster.is_gone(&error).await => {
                    let error = cluster::explained(&cluster, &error);
                    return Err(error.context(format!("{kind} and what comes after it is left out")));
                }
                Err(error) => {
                    exit = Exit::Broken;
                    say(&format!("warning: {kind} is left out: {error}\n  help: {}\n", cluster.help(&error)));
                }
            }
        }
        Ok(exit)
    })
}

/// All objects of a kind as a document. A kind that the cluster does not have has no objects.
async fn list(
    cluster: &Cluster,
    resources: &Resources,
    kind: &GroupKind,
    versions: &[String],
) -> Result<String, ClusterError> {
    let resource = resources.of(kind, versions)?;
    let version = versions.first().map_or("v1", String::as_str);
    let version = resource.map_or(version, |resource| &resource.version).to_owned();
    let of = GroupVersionKind { group: kind.group.clone(), version, kind: kind.kind.clone() };
    let mut items: Vec<Value> = Vec::new();
    if let Some(resource) = resource {
        let add = |items: &mut Vec<Value>, object: Value| match DocumentKind::of(kind) {
            Some(_) => items.push(object),
            None => items.push(credentials::redacted(&object)),
        };
        items = cluster.list(resource, Vec::new, add).await?.0;
    }
    let list = json!({"apiVersion": of.api_version(), "kind": format!("{}List", kind.kind), "items": items});
    Ok(format!("---\n{}", plain::block(&yaml::write(&list))))
}
