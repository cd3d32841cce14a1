//! `stategate diff`: what another policy set would change, before it is in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::audit::audit;
use super::check::pipeline::{Pipeline, TreeSource};
use super::check::previous::PreviousObjects;
use super::cluster::ClusterArguments;
use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments};
use super::policies::{CatalogueArguments, PolicyArguments, load};
use super::review_pool::ReviewPool;
use super::sources::SourceArguments;
use super::{Exit, count, print, recorded};
use crate::admission::ReviewMode;
use crate::decision::Finding;
use crate::diagnostic::Diagnostic;
use crate::plain;
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::report::Report;
use crate::source::destinations::Destinations;
use crate::source::render::RenderOptions;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate diff . --against-profile regulated
  stategate diff --context prod --profile baseline --against-profile production
  stategate diff shop/ --against-bindings new.yaml -o json
  stategate diff --requests recorded/ --against-profile regulated

Both policy sets check the same manifests or, with --context or --kubeconfig, what runs in the
cluster, or answer the same recorded requests (--requests), deletes and scales among them. A finding is
the same if its policy, its object and its place are.

Exit codes: 0 nothing becomes stricter, 1 something becomes denied (--fail-on), 2 something could not be
read or evaluated.")]
pub struct Arguments {
    #[command(flatten)]
    sources: SourceArguments,

    #[command(flatten)]
    policies: PolicyArguments,

    /// The profile to compare with [default: that of --profile]
    #[arg(long, value_name = "PROFILE")]
    against_profile: Option<String>,

    /// A file of PolicyBindings and PolicyExceptions to compare with, instead of those of --bindings; may be
    /// given several times
    #[arg(long, value_name = "FILE")]
    against_bindings: Vec<PathBuf>,

    /// A directory of policies to compare with, instead of that of --policies
    #[arg(long, value_name = "DIR")]
    against_policies: Option<PathBuf>,

    #[command(flatten)]
    inventory: InventoryArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// Recorded AdmissionReviews (JSON, one or more to a file) or a directory of them; may be given several times
    #[arg(long, value_name = "PATH", conflicts_with_all = ["paths", "context", "kubeconfig"])]
    requests: Vec<PathBuf>,

    /// The namespace of objects that do not name one [default: as in `check`]; of a cluster, the only one to check
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,

    /// How to print the differences
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,

    /// The mildest action that fails the run if something becomes so
    #[arg(long, value_enum, default_value_t = super::check::FailOn::Deny)]
    fail_on: super::check::FailOn,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs: a list of differences.
    Json,
}

/// One finding that one of the two sets has, or judges otherwise.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    policy: String,
    /// Of a recorded request.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    kind: String,
    namespace: String,
    name: String,
    path: String,
    /// What the first set does; absent: nothing.
    before: Option<Action>,
    /// What the second set does; absent: nothing.
    after: Option<Action>,
    message: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.against() == arguments.policies {
        anyhow::bail!(
            "nothing to compare with\n  help: add --against-profile, --against-bindings or --against-policies"
        );
    }
    let before = arguments.findings(&arguments.policies)?;
    let after = arguments.findings(&arguments.against())?;
    for (which, findings) in [("the first", &before), ("the second", &after)] {
        for error in &findings.errors {
            super::say(&format!("error: {error}\n"));
        }
        if findings.failed {
            super::say(&format!("error: with {which} policy set, policies could not decide\n"));
        }
    }
    let differences = before.differences(&after);
    if before.objects.max(after.objects) == 0 {
        super::say("error: nothing to compare: no object of a kind that a policy checks was found\n");
        return Ok(Exit::Broken);
    }
    match arguments.output {
        Format::Text => print(&(becomes(&differences) + &summary(&differences, &before, &after)))?,
        Format::Json => print(&(plain::json(&differences)? + "\n"))?,
    }
    let fails = |difference: &Difference| {
        difference.after > difference.before && difference.after >= Some(arguments.fail_on.action())
    };
    let unread = [&before, &after].iter().any(|findings| !findings.errors.is_empty() || findings.failed);
    Ok(match unread {
        true => Exit::Broken,
        false if differences.iter().any(fails) => Exit::Findings,
        false => Exit::Clean,
    })
}

impl Arguments {
    /// The policies to compare with.
    fn against(&self) -> PolicyArguments {
        let own = &self.policies;
        PolicyArguments {
            engine: own.engine,
            profile: self.against_profile.clone().unwrap_or_else(|| own.profile.clone()),
            catalogue: CatalogueArguments {
                policies: self.against_policies.clone().or_else(|| own.catalogue.policies.clone()),
                no_catalogue: own.catalogue.no_catalogue,
            },
            bindings: match self.against_bindings.is_empty() {
                true => own.bindings.clone(),
                false => self.against_bindings.clone(),
            },
        }
    }

    fn findings(&self, policies: &PolicyArguments) -> anyhow::Result<Findings> {
        match self.requests.as_slice() {
            [] => Ok(Findings::of(&self.report(policies)?)),
            paths => self.of_requests(paths, load(&policies.source())?),
        }
    }

    /// What a policy set answers to recorded requests.
    fn of_requests(&self, paths: &[PathBuf], set: PolicySet) -> anyhow::Result<Findings> {
        let inventory = self.inventory.source(DEFAULT_NAMESPACE).read(&set)?;
        let mut findings = Findings { profile: set.profile().to_owned(), ..Findings::default() };
        let mut requests = Vec::new();
        for path in paths {
            for file in recorded::files(path)? {
                match recorded::requests(&file) {
                    Ok(read) => requests.extend(read.into_iter().map(Arc::new)),
                    Err(error) => findings.errors.push(error),
                }
            }
        }
        let pool = ReviewPool::open(set, jiff::Timestamp::now())?;
        requests.retain(|request| pool.set().matches(request));
        findings.objects = requests.len();
        let decisions = pool.block_on(pool.review(&inventory, &requests, ReviewMode::Validate))?;
        for (request, decision) in requests.iter().zip(decisions) {
            findings.failed |= !decision.decided();
            let operation = match request.subresource.as_str() {
                "" => request.operation.to_string(),
                subresource => format!("{} {subresource}", request.operation),
            };
            let kind = pool.set().target(request).map_or(&request.kind.kind, |target| &target.kind.kind);
            let object = [operation, kind.clone(), request.namespace.clone(), request.name()];
            decision.findings.iter().for_each(|finding| findings.add(&object, finding));
        }
        Ok(findings)
    }

    fn report(&self, policies: &PolicyArguments) -> anyhow::Result<Report> {
        match self.cluster.access(&self.inventory)? {
            Some(_) if self.sources.has_paths() => {
                anyhow::bail!(
                    "a cluster and PATHs are given\n  help: leave out the PATHs to compare what runs there"
                )
            }
            Some(access) => {
                let set = self.cluster.policy_set(&policies.source(), &access)?;
                audit(set, &access, self.namespace.as_deref())
            }
            None => self.of_files(load(&policies.source())?),
        }
    }

    fn of_files(&self, set: PolicySet) -> anyhow::Result<Report> {
        let project = self.sources.project()?;
        let tree = self.sources.tree(&project, true)?;
        let namespace =
            self.namespace.clone().unwrap_or_else(|| super::inventory::DEFAULT_NAMESPACE.to_owned());
        // A namespace that the user gives is that of all of them.
        let destinations = match self.namespace {
            Some(_) => Destinations::default(),
            None => Destinations::of_sources(&tree.sources),
        };
        let pipeline = Pipeline {
            cluster: self.inventory.source(&namespace).read(&set)?,
            pool: ReviewPool::open(set, jiff::Timestamp::now())?,
            before: PreviousObjects::default(),
            live: None,
            namespace: namespace.clone(),
            render: RenderOptions { namespace, destinations, ..RenderOptions::default() },
            remedies: false,
            project,
        };
        let parts = tree.sources.into_iter().map(|source| TreeSource { source, reviewed: true }).collect();
        let mut report = pipeline.run(parts)?;
        report.errors.extend(tree.errors);
        Ok(report)
    }
}

/// Operation, object, policy and place of a finding.
type Key = ([String; 4], String, String);

/// What a policy set finds.
#[derive(Default)]
pub struct Findings {
    all: BTreeMap<Key, (Action, String)>,
    objects: usize,
    profile: String,
    errors: Vec<Diagnostic>,
    /// Policies could not decide.
    failed: bool,
}

impl Findings {
    /// Those of a report.
    pub fn of(report: &Report) -> Self {
        let mut findings = Self {
            all: BTreeMap::new(),
            objects: report.objects.len(),
            profile: report.profile.clone(),
            errors: report.errors.clone(),
            failed: report.failed(),
        };
        for object in &report.objects {
            let of = [String::new(), object.kind.clone(), object.namespace.clone(), object.name.clone()];
            object.findings.iter().for_each(|found| findings.add(&of, &found.finding));
        }
        findings
    }

    fn add(&mut self, object: &[String; 4], finding: &Finding) {
        let key = (object.clone(), finding.policy.to_string(), finding.key.clone());
        let entry = self.all.entry(key).or_insert_with(|| (finding.action, finding.message.clone()));
        entry.0 = entry.0.max(finding.action);
    }

    /// What another set, or the same one at another time, finds otherwise.
    pub fn differences(&self, after: &Self) -> Vec<Difference> {
        let difference = |key: &Key, before: Option<Action>, after: Option<Action>, message: &str| {
            let ([operation, kind, namespace, name], policy, path) = key.clone();
            let operation = Some(operation).filter(|operation| !operation.is_empty());
            Difference {
                policy,
                operation,
                kind,
                namespace,
                name,
                path,
                before,
                after,
                message: message.to_owned(),
            }
        };
        let mut all = Vec::new();
        for (key, (action, message)) in &self.all {
            let other = after.all.get(key).map(|(action, _)| *action);
            if other != Some(*action) {
                all.push(difference(key, Some(*action), other, message));
            }
        }
        let new = after.all.iter().filter(|(key, _)| !self.all.contains_key(*key));
        all.extend(new.map(|(key, (action, message))| difference(key, None, Some(*action), message)));
        all.sort_by(|a, b| {
            let order = |one: &Difference| std::cmp::Reverse(one.after);
            (order(a), &a.policy, &a.namespace, &a.name, &a.path).cmp(&(
                order(b),
                &b.policy,
                &b.namespace,
                &b.name,
                &b.path,
            ))
        });
        all
    }
}

/// What becomes of an object, by its new action and policy.
pub fn becomes(differences: &[Difference]) -> String {
    let mut text = String::new();
    for (action, heading) in [
        (Some(Action::Deny), "denied"),
        (Some(Action::Warn), "warned"),
        (Some(Action::Audit), "only recorded"),
        (None, "free"),
    ] {
        let of: Vec<&Difference> = differences.iter().filter(|one| one.after == action).collect();
        if of.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "becomes {heading} ({}):", count(of.len(), "finding", "findings"));
        let mut policy = "";
        for one in of {
            if one.policy != policy {
                policy = &one.policy;
                let _ = writeln!(text, "\n  {}", plain::line(policy));
            }
            let place = match one.namespace.as_str() {
                "" => one.name.clone(),
                namespace => format!("{namespace}/{}", one.name),
            };
            let was = one.before.map_or("new", |before| match before {
                Action::Deny => "was denied",
                Action::Warn => "was warned",
                Action::Audit => "was recorded",
            });
            let operation =
                one.operation.as_ref().map(|operation| format!("{operation} ")).unwrap_or_default();
            let _ = writeln!(
                text,
                "    {}{} {}: {} ({was})",
                plain::line(&operation),
                plain::line(&one.kind),
                plain::line(&place),
                plain::line(&one.message)
            );
        }
        text.push('\n');
    }
    text
}

fn summary(differences: &[Difference], before: &Findings, after: &Findings) -> String {
    let objects = count(before.objects.max(after.objects), "object", "objects");
    let (from, to) = (plain::line(&before.profile).into_owned(), plain::line(&after.profile).into_owned());
    let differences = match differences.len() {
        0 => "no difference".to_owned(),
        number => count(number, "difference", "differences"),
    };
    format!("{objects} checked: {differences} (profiles {from} and {to})\n")
}
