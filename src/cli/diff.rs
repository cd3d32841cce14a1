//! `stategate diff`: what another policy set would change, before it is in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::audit::audit;
use super::check::pipeline::{Pipeline, PreviousObjects, TreeSource};
use super::cluster::ClusterArguments;
use super::inventory::InventoryArguments;
use super::policies::{CatalogueArguments, PolicyArguments, load};
use super::review_pool::ReviewPool;
use super::sources::SourceArguments;
use super::{Exit, count, print};
use crate::plain;
use crate::policy::Action;
use crate::policyset::PolicySet;
use crate::report::Report;
use crate::source::render::RenderOptions;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate diff . --against-profile regulated
  stategate diff --context prod --profile baseline --against-profile production
  stategate diff shop/ --against-bindings new.yaml -o json

Both policy sets check the same manifests or, with --context or --kubeconfig, what runs in the
cluster. A finding is the same if its policy, its object and its place are.

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

    /// The namespace of objects that do not name one; of a cluster, the only one to check
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
struct Difference {
    policy: String,
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
    let before = arguments.report(&arguments.policies)?;
    let after = arguments.report(&arguments.against())?;
    for (which, report) in [("the first", &before), ("the second", &after)] {
        for error in &report.errors {
            super::say(&format!("error: {error}\n"));
        }
        if report.failed() {
            super::say(&format!("error: with {which} policy set, policies could not decide\n"));
        }
    }
    let differences = differences(&before, &after);
    let checked = before.objects.len().max(after.objects.len());
    if checked == 0 {
        super::say("error: nothing to compare: no object of a kind that a policy checks was found\n");
        return Ok(Exit::Broken);
    }
    match arguments.output {
        Format::Text => print(&text(&differences, &before, &after))?,
        Format::Json => print(&(plain::json(&differences)? + "\n"))?,
    }
    let fails = |difference: &Difference| {
        difference.after > difference.before && difference.after >= Some(arguments.fail_on.action())
    };
    let unread = [&before, &after].iter().any(|report| !report.errors.is_empty() || report.failed());
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
        let pipeline = Pipeline {
            cluster: self.inventory.source(&namespace).read(&set)?,
            pool: ReviewPool::open(set, jiff::Timestamp::now())?,
            before: PreviousObjects::default(),
            live: None,
            namespace: namespace.clone(),
            render: RenderOptions { namespace, ..RenderOptions::default() },
            remedies: false,
            project,
        };
        let parts = tree.sources.into_iter().map(|source| TreeSource { source, reviewed: true }).collect();
        let mut report = pipeline.run(parts)?;
        report.errors.extend(tree.errors);
        Ok(report)
    }
}

/// Object, policy and place of a finding.
type Key = ([String; 3], String, String);

fn findings(report: &Report) -> BTreeMap<Key, (Action, String)> {
    let mut all: BTreeMap<Key, (Action, String)> = BTreeMap::new();
    for object in &report.objects {
        for found in &object.findings {
            let finding = &found.finding;
            let of = [object.kind.clone(), object.namespace.clone(), object.name.clone()];
            let entry = all.entry((of, finding.policy.to_string(), finding.key.clone()));
            let entry = entry.or_insert((finding.action, finding.message.clone()));
            entry.0 = entry.0.max(finding.action);
        }
    }
    all
}

fn differences(before: &Report, after: &Report) -> Vec<Difference> {
    let (before, mut after) = (findings(before), findings(after));
    let difference = |key: Key, before: Option<Action>, after: Option<Action>, message: String| {
        let ([kind, namespace, name], policy, path) = key;
        Difference { policy, kind, namespace, name, path, before, after, message }
    };
    let mut all = Vec::new();
    for (key, (action, message)) in before {
        match after.remove(&key) {
            Some((same, _)) if same == action => {}
            other => all.push(difference(key, Some(action), other.map(|(action, _)| action), message)),
        }
    }
    all.extend(
        after.into_iter().map(|(key, (action, message))| difference(key, None, Some(action), message)),
    );
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

/// What becomes of an object, by its new action and policy.
fn text(differences: &[Difference], before: &Report, after: &Report) -> String {
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
            let _ = writeln!(
                text,
                "    {} {}: {} ({was})",
                plain::line(&one.kind),
                plain::line(&place),
                plain::line(&one.message)
            );
        }
        text.push('\n');
    }
    let objects = count(before.objects.len().max(after.objects.len()), "object", "objects");
    let (from, to) = (plain::line(&before.profile).into_owned(), plain::line(&after.profile).into_owned());
    match differences.len() {
        0 => text.push_str(&format!("{objects} checked: no difference (profiles {from} and {to})\n")),
        number => {
            let differences = count(number, "difference", "differences");
            text.push_str(&format!("{objects} checked: {differences} (profiles {from} and {to})\n"));
        }
    }
    text
}
