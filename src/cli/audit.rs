//! `stategate audit`: what runs in a cluster, judged as it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;

use super::check::exceptions::exceptions;
use super::check::format::Format;
use super::check::pipeline::{Pipeline, PreviousObjects, ReviewedSource};
use super::check::{FailOn, exit_code};
use super::cluster::{self, ClusterArguments};
use super::output::{self, Output};
use super::policies::PolicyArguments;
use super::progress::Progress;
use super::project::Project;
use super::review_pool::ReviewPool;
use super::{Exit, colours, count, say};
use crate::admission::{GroupKind, ReviewMode};
use crate::cluster::{Access, Cluster, ClusterError, Resource, Resources, field, named};
use crate::diagnostic::SourceText;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::report::Report;
use crate::review::is_made_of;
use crate::source::manifests::Manifests;
use crate::source::render::RenderOptions;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate audit
  stategate audit --context prod --profile regulated -o html=audit.html
  stategate audit -n shop --fail-on warn

Each object is checked as it is stored, with the rest of the cluster as its inventory. What a
controller makes of an object that is checked (the Pods of a StatefulSet) is not checked again.

Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 something could not be read or
evaluated.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Check only the objects in this namespace
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    /// The format of the report, on stdout or in a file; may be given several times [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", value_parser = output::parse::<Format>)]
    output: Vec<Output<Format>>,

    /// The mildest action that fails the run
    #[arg(long, value_enum, default_value_t = FailOn::Deny)]
    fail_on: FailOn,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let outputs = output::all(&arguments.output, Format::Text)?;
    let access = arguments.cluster.current();
    let set = arguments.cluster.policy_set(&arguments.policies.source(), &access)?;
    let report = audit(set, &access, arguments.namespace.as_deref())?;
    output::write_all(&outputs, |output| {
        let colours = output.file.is_none() && colours(std::io::stdout().is_terminal());
        output.format.render(&report, colours)
    })?;
    if report.objects.is_empty() && report.errors.is_empty() {
        say("nothing of a kind that a policy checks runs there\n");
        return Ok(Exit::Clean);
    }
    Ok(exit_code(arguments.fail_on, &report))
}

/// Checks what runs in a cluster, or in one namespace of it.
pub fn audit(set: PolicySet, access: &Access, namespace: Option<&str>) -> anyhow::Result<Report> {
    let kinds = set.reviewed_kinds();
    let pool = ReviewPool::open(set, jiff::Timestamp::now())?;
    let project = Project::find(None)?;
    pool.block_on(async {
        let cluster = cluster::open(access).await?;
        if let Some(namespace) = namespace {
            exists(&cluster, namespace).await?;
        }
        let resources = Resources::discover(&cluster).await;
        let resources = resources.map_err(|error| cluster::explained(&cluster, &error))?;
        let known = cluster.inventory(&resources, pool.set()).await;
        let (inventory, unknown) = known.map_err(|error| cluster::explained(&cluster, &error))?;
        let pipeline = Pipeline {
            cluster: inventory,
            pool: Arc::clone(&pool),
            before: PreviousObjects::default(),
            live: None,
            namespace: cluster.namespace().to_owned(),
            render: RenderOptions::default(),
            remedies: false,
            project,
        };
        let mut report = Report { profile: pool.set().profile().to_owned(), ..Report::default() };
        for (kind, error) in &unknown {
            report.notes.push(not_known(&pool, kind, error));
        }
        let mut audit = Audit {
            cluster,
            pipeline: Arc::new(pipeline),
            namespace: namespace.map(str::to_owned),
            report,
            matched: BTreeSet::new(),
            seen: HashSet::new(),
            owners: HashMap::new(),
            made: 0,
            terminating: 0,
        };
        audit.all(&resources, kinds).await?;
        anyhow::Ok(audit.report())
    })
}

/// A misspelt namespace would have no findings. Who may not read Namespaces cannot be told.
async fn exists(cluster: &Cluster, namespace: &str) -> anyhow::Result<()> {
    match cluster.get(&Resource::namespaces().object_path("", namespace)).await {
        Ok(None) => {
            anyhow::bail!("there is no namespace {namespace}\n  help: `kubectl get namespaces` lists them")
        }
        Ok(Some(_)) | Err(ClusterError::Forbidden(_)) => Ok(()),
        Err(error) => Err(cluster::explained(cluster, &error)),
    }
}

fn not_known(pool: &ReviewPool, kind: &GroupKind, error: &ClusterError) -> String {
    let needs = |policy: &&crate::policy::Policy| policy.inventory.iter().any(|(needed, _)| needed == kind);
    let ids: Vec<&str> =
        pool.set().policies().filter(needs).map(|policy| &policy.id).map(PolicyId::as_str).collect();
    format!("{kind} is not known, which {} may need: {error}", ids.join(", "))
}

/// An object that others may be made of.
#[derive(PartialEq, Eq)]
struct Owner {
    kind: GroupKind,
    namespace: String,
    name: String,
}

/// An audit in progress.
struct Audit {
    cluster: Cluster,
    pipeline: Arc<Pipeline>,
    namespace: Option<String>,
    report: Report,
    matched: BTreeSet<usize>,
    /// The uids of all objects so far.
    seen: HashSet<String>,
    /// The objects that are checked, or made of such, by uid.
    owners: HashMap<String, Owner>,
    made: usize,
    terminating: usize,
}

impl Audit {
    async fn all(
        &mut self,
        resources: &Resources,
        kinds: BTreeMap<GroupKind, Vec<String>>,
    ) -> anyhow::Result<()> {
        // Owners come first, so that what is made of them is known as such.
        let all: Vec<&GroupKind> = kinds.keys().collect();
        let depth = |kind: &GroupKind| depth(kind, &all);
        let mut ordered: Vec<(&GroupKind, &Vec<String>)> = kinds.iter().collect();
        ordered.sort_by_key(|(kind, _)| depth(kind));
        let progress = Progress::start("checking", ordered.len());
        for (kind, versions) in ordered {
            if let Err(error) = self.kind(resources, kind, versions).await? {
                let message = format!("cannot be checked: {error}");
                let error = SourceText::new(kind.to_string(), "")
                    .error(0, 0, message)
                    .with_help(self.cluster.help(&error));
                self.report.errors.push(error);
            }
            progress.step();
        }
        progress.end();
        Ok(())
    }

    /// All objects of one kind, a page at a time.
    async fn kind(
        &mut self,
        resources: &Resources,
        kind: &GroupKind,
        versions: &[String],
    ) -> anyhow::Result<Result<(), ClusterError>> {
        let resource = match resources.of(kind, versions) {
            Ok(Some(resource)) => resource,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let path = match &self.namespace {
            Some(_) if !resource.namespaced => return Ok(Ok(())),
            Some(namespace) => resource.path_in(namespace),
            None => resource.path(),
        };
        let cluster = self.cluster.clone();
        let mut pages = cluster.pages(path);
        loop {
            match pages.next().await {
                // If the list begins anew, what was seen is not checked again.
                Ok(Some(page)) => self.page(resource, page.items).await?,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    async fn page(&mut self, resource: &Resource, items: Vec<Value>) -> anyhow::Result<()> {
        let mut reviews = JoinSet::new();
        let mut waiting = Vec::new();
        for item in items {
            if self.is_left_out(resource, &item) {
                continue;
            }
            waiting.push(named(item, resource));
        }
        let mut results: Vec<(usize, ReviewedSource)> = Vec::new();
        let mut waiting = waiting.into_iter().enumerate();
        loop {
            while reviews.len() < self.pipeline.pool.width()
                && let Some((position, object)) = waiting.next()
            {
                let pipeline = Arc::clone(&self.pipeline);
                let name = name_of(resource, &object);
                reviews.spawn(async move {
                    let manifests = Manifests::of_object(name, &object);
                    let inventory = pipeline.cluster.clone();
                    let reviewed =
                        pipeline.review_objects(&manifests, |_| None, inventory, ReviewMode::Audit).await;
                    (position, reviewed, manifests.errors)
                });
            }
            let Some(reviewed) = reviews.join_next().await else { break };
            let (position, reviewed, errors) = reviewed.context("a review broke off")?;
            self.report.errors.extend(errors);
            results.push((position, reviewed?));
        }
        results.sort_by_key(|(position, _)| *position);
        for (_, reviewed) in results {
            self.report.append(reviewed.report);
            self.matched.extend(reviewed.matched);
        }
        Ok(())
    }

    /// Whether the object is left to the check of its owner, or about to be gone. Its uid tells the owner: the API
    /// server sets it, and the garbage collector deletes what names an owner that does not exist.
    fn is_left_out(&mut self, resource: &Resource, object: &Value) -> bool {
        let metadata = object.get("metadata");
        let field = |name: &str| field(object, name).to_owned();
        let namespace = field("namespace");
        let uid = field("uid");
        if !self.seen.insert(uid.clone()) {
            return true;
        }
        if metadata.is_some_and(|all| all.get("deletionTimestamp").is_some_and(|time| !time.is_null())) {
            self.terminating += 1;
            return true;
        }
        let owners = metadata.and_then(|all| all.get("ownerReferences")?.as_array());
        let controller =
            owners.into_iter().flatten().find(|owner| owner.get("controller") == Some(&true.into()));
        let made = controller.is_some_and(|owner| {
            let of = |name: &str| owner.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let named = Owner {
                kind: GroupKind::new(&of("apiVersion"), &of("kind")),
                namespace: namespace.clone(),
                name: of("name"),
            };
            is_made_of(&named.kind, &resource.kind) && self.owners.get(&of("uid")) == Some(&named)
        });
        self.made += usize::from(made);
        // What is being deleted is not checked, so that what it leaves behind must be.
        self.owners.insert(uid, Owner { kind: resource.kind.clone(), namespace, name: field("name") });
        made
    }

    fn report(mut self) -> Report {
        self.report.exceptions = exceptions(&self.pipeline.pool, &self.report, &self.matched);
        if self.namespace.is_some() {
            // It may be about another namespace.
            self.report
                .exceptions
                .iter_mut()
                .for_each(|one| one.matched = one.matched.filter(|matched| *matched));
        }
        for (number, what) in [
            (self.made, "a controller makes them of objects that are checked"),
            (self.terminating, "being deleted"),
        ] {
            if number > 0 {
                let objects = count(number, "object", "objects");
                self.report.notes.push(format!("{objects} not checked: {what}"));
            }
        }
        self.report
    }
}

/// How many owners may stand above an object of this kind.
fn depth(kind: &GroupKind, all: &[&GroupKind]) -> usize {
    let owners = all.iter().filter(|owner| is_made_of(owner, kind));
    owners.map(|owner| 1 + depth(owner, all)).max().unwrap_or(0)
}

/// `shop/StatefulSet.apps/pg`
fn name_of(resource: &Resource, object: &Value) -> String {
    let name = field(object, "name");
    match field(object, "namespace") {
        "" => format!("{}/{name}", resource.kind),
        namespace => format!("{namespace}/{}/{name}", resource.kind),
    }
}
