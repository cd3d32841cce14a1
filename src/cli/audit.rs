//! `stategate audit`: what runs in a cluster, judged as it is.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;

use super::check::exceptions::exceptions;
use super::check::format::Format;
use super::check::pipeline::{Pipeline, ReviewedSource};
use super::check::previous::PreviousObjects;
use super::check::{FailOn, exit_code};
use super::cluster::{self, ClusterArguments};
use super::diff::{self, Findings};
use super::output::{self, Output};
use super::policies::PolicyArguments;
use super::progress::Progress;
use super::project::Project;
use super::review_pool::ReviewPool;
use super::{Exit, colours, complain, count, print, say, seconds};
use crate::admission::{GroupKind, ReviewMode};
use crate::cluster::{Access, Audit, AuditStep, Cluster, ClusterError, Resource, field};
use crate::diagnostic::SourceText;
use crate::policy::PolicyId;
use crate::policyset::PolicySet;
use crate::report::Report;
use crate::source::manifests::Manifests;
use crate::source::render::RenderOptions;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate audit
  stategate audit --context prod --profile regulated -o html=audit.html
  stategate audit -n shop --fail-on warn
  stategate audit --watch -o html=audit.html -o text

Each object is checked as it is stored, with the rest of the cluster as its inventory. What a
controller makes of an object that is checked (the Pods of a StatefulSet) is not checked again.

With --watch, the cluster is checked again and again until Ctrl-C: reports in files are kept current, and
what appears and what is gone is printed. The exit code is then that of an interrupted program.

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

    /// Check again and again, and print what has changed
    #[arg(long)]
    watch: bool,

    /// Seconds from the end of one check to the next one
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, requires = "watch")]
    every: Duration,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let outputs = output::all(&arguments.output, Format::Text)?;
    if arguments.watch {
        return watch(arguments, &outputs);
    }
    let report = arguments.report()?;
    write(&outputs, &report)?;
    if report.objects.is_empty() && report.errors.is_empty() {
        say("nothing of a kind that a policy checks runs there\n");
        return Ok(Exit::Clean);
    }
    Ok(exit_code(arguments.fail_on, &report))
}

impl Arguments {
    fn report(&self) -> anyhow::Result<Report> {
        let access = self.cluster.current();
        let set = self.cluster.policy_set(&self.policies.source(), &access)?;
        audit(set, &access, self.namespace.as_deref())
    }
}

fn write(outputs: &[Output<Format>], report: &Report) -> anyhow::Result<()> {
    output::write_all(outputs, |output| {
        let colours = output.file.is_none() && colours(std::io::stdout().is_terminal());
        output.format.render(report, colours)
    })
}

/// Audits until the process is ended. What cannot be read for a while changes nothing that was written.
fn watch(arguments: &Arguments, outputs: &[Output<Format>]) -> anyhow::Result<Exit> {
    anyhow::ensure!(
        outputs.iter().all(|output| output.file.is_some() || output.format == Format::Text),
        "--watch writes a report after every check: give it a file, as in -o json=FILE"
    );
    let files: Vec<Output<Format>> = outputs.iter().filter(|output| output.file.is_some()).cloned().collect();
    let first = arguments.report()?;
    write(outputs, &first)?;
    let mut last = Findings::of(&first);
    drop(first);
    loop {
        say(&format!("checking again in {} s; press Ctrl-C to stop\n", arguments.every.as_secs_f64()));
        std::thread::sleep(arguments.every);
        let report = match arguments.report() {
            Ok(report) => report,
            Err(error) => {
                complain(&error);
                continue;
            }
        };
        write(&files, &report)?;
        let now = Findings::of(&report);
        for error in &report.errors {
            say(&format!("error: {error}\n"));
        }
        // What could not be listed is not gone.
        if report.errors.is_empty() {
            print(&changes(&last, &now, jiff::Timestamp::now()))?;
            last = now;
        }
    }
}

/// What has appeared and what is gone since the last check.
fn changes(last: &Findings, now: &Findings, at: jiff::Timestamp) -> String {
    match last.differences(now).as_slice() {
        [] => String::new(),
        differences => format!("{at:.0}\n{}", diff::becomes(differences)),
    }
}

/// Checks what runs in a cluster, or in one namespace of it.
pub fn audit(set: PolicySet, access: &Access, namespace: Option<&str>) -> anyhow::Result<Report> {
    let kinds = set.reviewed_kinds();
    let pool = ReviewPool::open(set, jiff::Timestamp::now())?;
    let project = Project::find(None)?;
    pool.block_on(async {
        let (cluster, resources) = cluster::discover(access).await?;
        if let Some(namespace) = namespace {
            exists(&cluster, namespace).await?;
        }
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
        let mut reviews = Reviews { pipeline: Arc::new(pipeline), report, matched: BTreeSet::new() };
        let mut audit = Audit::new(cluster.clone(), Arc::new(resources), kinds, namespace.map(str::to_owned));
        reviews.all(&mut audit, &cluster).await?;
        anyhow::Ok(reviews.report(&audit, namespace))
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

/// The report of an audit in progress.
struct Reviews {
    pipeline: Arc<Pipeline>,
    report: Report,
    matched: BTreeSet<usize>,
}

impl Reviews {
    async fn all(&mut self, audit: &mut Audit, cluster: &Cluster) -> anyhow::Result<()> {
        let mut left = audit.kinds_left();
        let progress = Progress::start("checking", left);
        while let Some(step) = audit.next().await {
            match step {
                AuditStep::Objects(resource, objects) => self.page(&resource, objects).await?,
                AuditStep::Unlisted(kind, error) => {
                    let message = format!("cannot be checked: {error}");
                    let error = SourceText::new(kind.to_string(), "")
                        .error(0, 0, message)
                        .with_help(cluster.help(&error));
                    self.report.errors.push(error);
                }
            }
            (audit.kinds_left()..left).for_each(|_| progress.step());
            left = audit.kinds_left();
        }
        progress.end();
        Ok(())
    }

    async fn page(&mut self, resource: &Resource, objects: Vec<Value>) -> anyhow::Result<()> {
        let mut reviews = JoinSet::new();
        let mut results: Vec<(usize, ReviewedSource)> = Vec::new();
        let mut waiting = objects.into_iter().enumerate();
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

    fn report(mut self, audit: &Audit, namespace: Option<&str>) -> Report {
        self.report.exceptions = exceptions(&self.pipeline.pool, &self.report, &self.matched);
        if namespace.is_some() {
            // It may be about another namespace.
            self.report
                .exceptions
                .iter_mut()
                .for_each(|one| one.matched = one.matched.filter(|matched| *matched));
        }
        for (number, what) in [
            (audit.made(), "a controller makes them of objects that are checked"),
            (audit.terminating(), "being deleted"),
        ] {
            if number > 0 {
                let objects = count(number, "object", "objects");
                self.report.notes.push(format!("{objects} not checked: {what}"));
            }
        }
        self.report
    }
}

/// `shop/StatefulSet.apps/pg`
fn name_of(resource: &Resource, object: &Value) -> String {
    let name = field(object, "name");
    match field(object, "namespace") {
        "" => format!("{}/{name}", resource.kind),
        namespace => format!("{namespace}/{}/{name}", resource.kind),
    }
}
