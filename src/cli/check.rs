//! `stategate check`: manifests to findings.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::inventory::InventoryArguments;
use super::judging::judge_all;
use super::policies::{PolicyArguments, RULE_TIME};
use super::{Exit, colours, print};
use crate::admission::{GroupVersionKind, Phase};
use crate::diagnostic::Diagnostic;
use crate::evaluators::InForce;
use crate::inventory::Inventory;
use crate::path::{self, Path, Segment};
use crate::policy::Action;
use crate::policy::binding::OnFailure;
use crate::policyset::PolicySet;
use crate::report::{Judged, Report, json, text};
use crate::source::manifests::{Manifest, Manifests};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate check shop/
  helm template shop | stategate check -
  stategate check new/pg.yaml --old old/pg.yaml
  stategate check -o json . > findings.json
  kubectl get sc,nodes,pvc -A -o yaml > cluster.yaml; stategate check shop/ --inventory cluster.yaml

Exit codes: 0 nothing found, 1 findings at or above --fail-on, 2 something could not be read or judged.")]
pub struct Arguments {
    /// Files, directories, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    policies: PolicyArguments,

    /// The previous version of the manifests (file or directory): judges each change as an update
    #[arg(long, value_name = "PATH")]
    old: Vec<PathBuf>,

    #[command(flatten)]
    inventory: InventoryArguments,

    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// How to show what was found
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,

    /// The mildest action that makes the run fail
    #[arg(long, value_enum, default_value_t = FailOn::Deny)]
    fail_on: FailOn,

    /// Say how many policies were loaded, how long it took, and which kinds --inventory knows
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum FailOn {
    Deny,
    Warn,
    Audit,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let loading = Instant::now();
    let set = arguments.policies.policy_set()?.allowing(RULE_TIME);
    if arguments.verbose {
        super::say(&super::loaded(set.policies().count(), loading.elapsed()));
    }
    let manifests = Manifests::read(&arguments.paths);
    let old = Manifests::read(&arguments.old);
    let mut inventory = arguments.inventory.read(&set, &arguments.namespace)?.bundle();
    if let Some(knowledge) = arguments.inventory.knowledge(&set, &inventory).filter(|_| arguments.verbose) {
        super::say(&format!("inventory: all objects are known of: {}\n", or_none(&knowledge.known)));
        super::say(&format!("inventory: not known, but needed: {}\n", or_none(&knowledge.wanted)));
    }
    manifests.ship(&mut inventory, &old, &arguments.namespace);
    let in_force = Arc::new(InForce::new(set));
    let now = jiff::Timestamp::now();
    let report = judge(&in_force, &Arc::new(inventory), manifests, &old, &arguments.namespace, now)?;
    match arguments.output {
        Format::Text => print(&text::render(&report, colours(std::io::stdout().is_terminal())))?,
        Format::Json => print(&(json::render(&report)? + "\n"))?,
    }
    let fail_on = match arguments.fail_on {
        FailOn::Deny => Action::Deny,
        FailOn::Warn => Action::Warn,
        FailOn::Audit => Action::Audit,
    };
    Ok(if !report.errors.is_empty() || report.failed() {
        Exit::Broken
    } else if report.objects.is_empty() {
        super::say("error: nothing to check: no object of a kind that a policy judges was found\n");
        Exit::Broken
    } else if report.has(fail_on) {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// Judges every manifest as the webhook would, once its own patches are applied.
fn judge(
    in_force: &Arc<InForce>,
    inventory: &Arc<Inventory>,
    manifests: Manifests,
    old: &Manifests,
    namespace: &str,
    now: jiff::Timestamp,
) -> anyhow::Result<Report> {
    let set = &in_force.set;
    let mut report =
        Report { profile: set.profile().to_owned(), foreign: manifests.foreign, ..Report::default() };
    report.errors.extend(manifests.errors.into_iter().chain(old.errors.iter().cloned()));
    let before: HashMap<_, &Manifest> =
        old.objects.iter().map(|manifest| (manifest.identity(namespace), manifest)).collect();
    let mut unknown_namespaces = Vec::new();
    let (mut judged, mut requests) = (Vec::new(), Vec::new());
    for manifest in &manifests.objects {
        let old = before.get(&manifest.identity(namespace)).copied();
        let Some(request) = manifest.request(set.projections(), old, namespace, Phase::Both) else {
            report.not_covered += 1;
            report.errors.extend(nearly_known(set, manifest));
            continue;
        };
        // A Namespace mostly tells where the others live: it counts as checked if a policy judges it.
        if manifest.kind() == "Namespace" && !set.matches(&request) {
            report.not_covered += 1;
            continue;
        }
        if !request.namespace.is_empty() && inventory.namespace_labels(&request.namespace).is_none() {
            unknown_namespaces.push(request.namespace.clone());
        }
        judged.push(manifest);
        requests.push(Arc::new(request));
    }
    let decisions = judge_all(in_force, inventory, &requests, now)?;
    for ((manifest, request), decision) in judged.into_iter().zip(requests).zip(decisions) {
        let aside = decision.set_aside.map(|reason| format!("not judged like others: {}", reason.as_str()));
        let sensitive = decision.findings.iter().filter(|finding| finding.sensitive);
        report.objects.push(Judged {
            hidden: sensitive.flat_map(|finding| hidden(manifest, &finding.path)).collect(),
            api_version: manifest.api_version().to_owned(),
            kind: manifest.kind().to_owned(),
            name: request.name(),
            namespace: request.namespace.clone(),
            operation: request.operation,
            findings: decision
                .findings
                .into_iter()
                .map(|finding| {
                    let place = manifest.place(&finding.path);
                    (finding, place)
                })
                .collect(),
            failures: decision
                .failures
                .into_iter()
                .map(|failure| (failure.policy, failure.error, failure.on_failure == OnFailure::Deny))
                .collect(),
            unknown: decision.unknown,
            waived: decision.waived,
            notes: decision.notes.into_iter().chain(aside).collect(),
            patched_by: decision.patch.map(|patched| patched.policies).unwrap_or_default(),
            file: manifest.file.clone(),
        });
    }
    unknown_namespaces.sort();
    unknown_namespaces.dedup();
    if !unknown_namespaces.is_empty() {
        report.notes.push(format!(
            "the labels of namespace {} are not known, so it is judged like one without a tier; add its Namespace to the manifests",
            unknown_namespaces.join(", ")
        ));
    }
    Ok(report)
}

/// Where in a file a credential may stand that a policy points at: there, in what stands beside it (the
/// next argument, `value`), and wherever else its text is.
fn hidden(manifest: &Manifest, path: &Path) -> Vec<Range<usize>> {
    /// A shorter text is in many a word.
    const SHORTEST: usize = 6;
    let Some((last, parent)) = path.split_last() else { return Vec::new() };
    let around = manifest.place(parent);
    let here = match last {
        Segment::Key(_) => vec![Segment::Key("value".into())],
        Segment::Index(index) => vec![Segment::Index(*index), Segment::Index(index + 1)],
    };
    let texts = here.into_iter().filter_map(|segment| {
        let place: Path = parent.iter().cloned().chain([segment]).collect();
        path::get(&manifest.object, &place)?.as_str()
    });
    let telling =
        texts.filter(|text| text.len() >= SHORTEST && (text.contains('=') || !text.starts_with('-')));
    let elsewhere = telling.flat_map(|text| {
        let found = manifest.file.text.match_indices(text);
        found.map(|(start, found)| start..start + found.len()).collect::<Vec<_>>()
    });
    std::iter::once(around.start..around.end).chain(elsewhere).collect()
}

/// A kind that is misspelt, or of a version that no API server serves, would pass unjudged.
fn nearly_known(set: &PolicySet, manifest: &Manifest) -> Option<Diagnostic> {
    let kind = GroupVersionKind::new(manifest.api_version(), manifest.kind());
    let known = set.projections().iter().find(|(known, _)| known.kind.eq_ignore_ascii_case(&kind.kind));
    let (known, projection) = known.filter(|(known, _)| known.group == kind.group)?;
    let place = manifest.place(&[]);
    let right = GroupVersionKind {
        group: known.group.clone(),
        version: projection.versions.first()?.clone(),
        kind: known.kind.clone(),
    };
    let message =
        format!("{} {} is no kind that an API server serves", manifest.api_version(), manifest.kind());
    let help = format!("write apiVersion: {}, kind: {}", right.api_version(), right.kind);
    Some(manifest.file.error(place.line, 0, message).with_help(help))
}
