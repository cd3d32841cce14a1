//! `stategate check`: manifests to findings.

mod changed;
mod departed;
mod doubts;
mod earlier;
pub(super) mod exceptions;
pub(super) mod format;
mod git;
mod known;
mod live;
mod maps;
mod misspelt;
mod old;
pub(super) mod pipeline;
pub(super) mod previous;
mod relaxed;
mod reviewed;
mod tasks;
mod tracked;
mod unfilled;

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Instant;

use changed::Changed;
use clap::{Args, ValueEnum};
use format::Format;
use known::KnownFindings;
use old::Old;
use pipeline::{Pipeline, TreeSource};
use previous::PreviousObjects;

use super::cluster::ClusterArguments;
use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments, Knowledge};
use super::output::{self, Output};
use super::policies::{Documents, PolicyArguments, load_with};
use super::review_pool::ReviewPool;
use super::sources::SourceArguments;
use super::{Exit, colours};
use crate::plain;
use crate::policy::Action;
use crate::report::Report;
use crate::source::bundle::Bundle;
use crate::source::cluster_policies::documents_of;
use crate::source::destinations::Destinations;
use crate::source::render::{RenderOptions, Renderer};
use crate::source::tree::Source;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate check shop/
  helm template shop | stategate check -
  stategate check . --changed-since origin/main -o github
  stategate check . -o sarif=stategate.sarif -o html=report.html
  stategate check . --known known.json --write-known
  stategate check new/pg.yaml --old old/pg.yaml
  stategate check shop/ --context prod
  stategate inventory --context prod > cluster.yaml; stategate check shop/ --inventory cluster.yaml

Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 something could not be read or
evaluated, or there was nothing to check (0 with --allow-empty, or if --exclude or --changed-since left
nothing).")]
pub struct Arguments {
    #[command(flatten)]
    sources: SourceArguments,

    #[command(flatten)]
    policies: PolicyArguments,

    /// Do not render: read the files of Kustomize directories as they are, and skip Helm charts
    #[arg(long)]
    no_render: bool,

    /// Let kustomize and helm fetch remote bases, values and schemas, with the programs that this takes
    #[arg(long)]
    allow_remote: bool,

    /// A values file for Helm charts; may be given several times
    #[arg(long, value_name = "FILE")]
    values: Vec<PathBuf>,

    /// The version of Kubernetes that Helm charts are rendered for [default: that of --context, or the newest
    /// that stategate knows]
    #[arg(long, value_name = "VERSION", value_parser = kubernetes_version)]
    kube_version: Option<String>,

    /// The previous version of the manifests (file or directory), rendered like the present one; each change is
    /// checked as an update
    #[arg(long, value_name = "PATH")]
    old: Vec<PathBuf>,

    /// Check only what differs from the point where the branch left this git revision: changed files as
    /// updates, rendered manifests as new. Of other files, only what reads a changed ConfigMap is checked. What
    /// a deleted file leaves behind is not checked
    #[arg(long, value_name = "REVISION", conflicts_with = "old")]
    changed_since: Option<String>,

    /// A file of known findings; they do not fail the run, and text output omits them
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,

    /// Rewrite the file of --known with everything found now
    #[arg(long, conflicts_with = "changed_since")]
    write_known: bool,

    #[command(flatten)]
    inventory: InventoryArguments,

    #[command(flatten)]
    cluster: ClusterArguments,

    /// The namespace of objects that do not name one [default: that of the Argo CD Application or Flux Kustomization
    /// that deploys them, that of the context of --context, or default]
    #[arg(short, long)]
    namespace: Option<String>,

    /// The format of the report, on stdout or in a file; may be given several times [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", value_parser = output::parse::<Format>)]
    output: Vec<Output<Format>>,

    /// The mildest action that fails the run
    #[arg(long, value_enum, default_value_t = FailOn::Deny)]
    fail_on: FailOn,

    /// Also list the findings that an updated object had before; without it they are only counted, and fail
    /// no run
    #[arg(long)]
    all: bool,

    /// Succeed if there is nothing to check: no object of a kind that a policy checks
    #[arg(long)]
    allow_empty: bool,

    /// Print how many policies were loaded, how long it took, and which kinds --inventory covers
    #[arg(short, long)]
    verbose: bool,
}

/// The mildest action that fails a run.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum FailOn {
    Deny,
    Warn,
    Audit,
}

impl FailOn {
    /// The action.
    pub(super) fn action(self) -> Action {
        match self {
            Self::Deny => Action::Deny,
            Self::Warn => Action::Warn,
            Self::Audit => Action::Audit,
        }
    }
}

/// `typed` are the arguments of the command line alone, without those of a configuration.
pub fn run(arguments: &Arguments, typed: &Arguments) -> anyhow::Result<Exit> {
    let outputs = output::all(&arguments.output, Format::Text)?;
    let loading = Instant::now();
    let access = arguments.cluster.access(&arguments.inventory)?;
    // Given by the repository, they would be its own word.
    let trusted = arguments.inventory == typed.inventory;
    let given = arguments.inventory.source(DEFAULT_NAMESPACE).manifests()?;
    // The connection lives as long as its runtime.
    let connection = access.as_ref().map(live::Connection::open).transpose()?;
    let documents = match &connection {
        Some(connection) => connection.documents(&arguments.cluster)?,
        None if trusted => {
            Documents { all: documents_of(&given), own_namespace: arguments.cluster.own_namespace(false) }
        }
        None => Documents::default(),
    };
    let set = load_with(&arguments.policies.source(), &documents)?;
    if arguments.verbose {
        super::say(&super::loaded(set.policies().count(), loading.elapsed()));
    }
    let project = arguments.sources.project()?;
    if arguments.write_known && arguments.known.is_none() {
        anyhow::bail!("--write-known needs a file\n  help: add --known FILE, or set known in stategate.yaml");
    }
    let known = match &arguments.known {
        Some(file) if !arguments.write_known => Some((file, KnownFindings::read(file)?)),
        _ => None,
    };
    let tree = arguments.sources.tree(&project, !arguments.no_render)?;
    let relaxed = relaxed::relaxed(arguments, typed, &set, &documents, &tree)?;
    let changed = arguments.changed_since.as_deref();
    let changed = changed.map(|revision| Changed::since(revision, &project)).transpose()?;
    let part = |source: Source| {
        let touches = |changed: &Changed| changed.touches(&source, &arguments.values, &project);
        let reviewed = changed.as_ref().is_none_or(touches);
        TreeSource { source, reviewed }
    };
    let parts: Vec<TreeSource> = tree.sources.into_iter().map(part).collect();
    let is_chart = |part: &TreeSource| matches!(&part.source, Source::Rendered(rendered) if rendered.renderer == Renderer::Helm);
    let has_charts = parts.iter().any(is_chart);
    let of_cluster = || connection.as_ref().filter(|_| has_charts)?.kubernetes_version();
    let filtered = tree.excluded > 0 || changed.is_some();
    let of_context = connection.as_ref().map(live::Connection::namespace);
    let namespace = arguments.namespace.as_deref().or(of_context).unwrap_or(DEFAULT_NAMESPACE).to_owned();
    let (cluster, notes) = match &connection {
        Some(connection) => connection.inventory(&set)?,
        None => (arguments.inventory.source(&namespace).inventory(&given, &set), Vec::new()),
    };
    let bundle = Bundle::over(&cluster, &namespace).inventory();
    let asked = connection.is_some() || arguments.inventory.is_given();
    if asked && arguments.verbose {
        let knowledge = Knowledge::of(&set, &bundle);
        super::say(&format!("inventory: all objects are known: {}\n", or_none(&knowledge.complete)));
        super::say(&format!("inventory: needed but not known: {}\n", or_none(&knowledge.incomplete)));
    }
    let pool = ReviewPool::open(set, jiff::Timestamp::now())?;
    let sources: Vec<&Source> = parts.iter().map(|part| &part.source).collect();
    let render = RenderOptions {
        values: arguments.values.clone(),
        namespace: namespace.clone(),
        kube_version: arguments.kube_version.clone().or_else(of_cluster),
        allow_remote: arguments.allow_remote,
        // A namespace that the user gives is that of all of them.
        destinations: match arguments.namespace {
            Some(_) => Destinations::default(),
            None => Destinations::of_sources(sources.iter().copied()),
        },
        ..RenderOptions::default()
    };
    let renders = (!arguments.no_render).then_some(&render);
    let deployed = arguments.namespace.is_none();
    let old = Old::read(&arguments.old, &arguments.sources, &project, &sources, renders, deployed, &pool)?;
    let nothing_old = old.is_empty().then(|| {
        format!(
            "nothing was read from --old {}, so every object counts as new",
            arguments.old.iter().map(plain::path).collect::<Vec<_>>().join(", ")
        )
    });
    let pipeline = Pipeline {
        cluster,
        pool,
        before: match changed {
            Some(changed) => changed.before(sources, &namespace, &render.destinations),
            None => PreviousObjects::whole(old.parts, &old.roots, sources, &namespace, render.clone()),
        },
        live: connection.as_ref().map(live::Connection::objects),
        namespace,
        render,
        remedies: outputs.iter().any(|output| output.format.shows_remedies()),
        project,
    };
    let mut report = pipeline.run(parts)?;
    report.relaxed = relaxed;
    report.lists_earlier = arguments.all;
    if arguments.allow_empty && is_empty(&report) {
        report.notes.push(format!("nothing was checked: {}", nothing(&report)));
    }
    report.notes.extend(notes.into_iter().chain(nothing_old));
    report.errors.splice(0..0, tree.errors.into_iter().chain(old.errors));
    // Each overlay of a base that cannot be read meets the same error.
    let mut told = HashSet::new();
    report.errors.retain(|error| told.insert(error.clone()));
    if filtered || arguments.no_render || !report.is_complete() {
        // What was not checked may be what an exception is for.
        report.exceptions.iter_mut().for_each(|one| one.matched = one.matched.filter(|matched| *matched));
    }
    if let Some((file, known)) = known {
        known.mark(&mut report, file);
    } else if let Some(file) = &arguments.known {
        if report.errors.is_empty() && !report.failed() {
            let known = KnownFindings::of(&report);
            known.write(file)?;
            known.mark(&mut report, file);
        } else {
            super::say(&format!(
                "error: {} is unchanged: not everything could be read and evaluated\n",
                plain::path(file)
            ));
        }
    }
    output::write_all(&outputs, |output| {
        let colours = output.file.is_none() && colours(std::io::stdout().is_terminal());
        output.format.render(&report, colours)
    })?;
    Ok(exit(arguments, &report, filtered))
}

/// How the run ends. A run that a filter of the user left empty is fine.
fn exit(arguments: &Arguments, report: &Report, filtered: bool) -> Exit {
    if is_empty(report) && !filtered && !arguments.allow_empty {
        super::say(&format!(
            "error: nothing to check: {}\n  help: name what holds workloads, or let the run succeed with --allow-empty\n",
            nothing(report)
        ));
        return Exit::Broken;
    }
    exit_code(arguments.fail_on, report)
}

/// The exit code for a report.
pub(super) fn exit_code(fail_on: FailOn, report: &Report) -> Exit {
    if !report.errors.is_empty() || report.failed() {
        Exit::Broken
    } else if report.has(fail_on.action()) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}

fn is_empty(report: &Report) -> bool {
    report.errors.is_empty() && !report.failed() && report.objects.is_empty()
}

/// What there is if nothing is checked, by name: a person may believe that somebody looks after it.
fn nothing(report: &Report) -> String {
    match report.not_covered {
        0 => "no object of a kind that a policy checks was found".to_owned(),
        1 => format!("1 object of a kind that no policy judges: {}", report.kinds_passed_over()),
        objects => {
            format!("{objects} objects of kinds that no policy judges: {}", report.kinds_passed_over())
        }
    }
}

fn kubernetes_version(text: &str) -> Result<String, String> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let patch = |part: Option<&str>| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        part.is_none_or(|part| part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(is_plain))
    };
    (number(parts.next()) && number(parts.next()) && patch(parts.next()))
        .then(|| text.to_owned())
        .ok_or_else(|| "write it as 1.34 or v1.34.2".to_owned())
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
