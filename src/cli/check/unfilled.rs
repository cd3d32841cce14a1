//! Values that nothing fills in: told once for each file, and what depends on them is not known.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::pipeline::Pipeline;
use crate::admission::{Object, Request, ReviewMode};
use crate::decision::{Decision, Finding, OBJECT_UNREADABLE, Unknown};
use crate::diagnostic::shorten;
use crate::inventory::Inventory;
use crate::path::{self, Path};
use crate::plain;
use crate::report::Report;
use crate::source::manifests::Manifest;
use crate::source::unfilled::{Unfilled, unfilled, variants, words_for_numbers};

/// The most bytes that a message shows of a placeholder, and the most placeholders that it names.
const SHOWN: usize = 60;
const NAMED: usize = 3;

/// Judges objects with placeholders by both of their variants. What is found in both is true whatever the values are;
/// what is found in one of them is not known.
pub async fn told(
    pipeline: &Pipeline,
    inventory: &Inventory,
    manifests: &[&Manifest],
    requests: &[Arc<Request>],
    mut decisions: Vec<Decision>,
    mode: ReviewMode,
    report: &mut Report,
) -> anyhow::Result<Vec<Decision>> {
    let (mut with, mut without, mut open) = (Vec::new(), Vec::new(), Vec::new());
    let unreadable = |decision: &Decision| {
        decision.findings.iter().any(|finding| finding.policy.as_str() == OBJECT_UNREADABLE)
    };
    for (at, (manifest, request)) in manifests.iter().zip(requests).enumerate() {
        let words = decisions.get(at).is_some_and(unreadable);
        if let Some((found, [there, other])) = both(pipeline, inventory, manifest, request, words) {
            open.push((at, found));
            with.push(Arc::new(there));
            without.push(Arc::new(other));
        }
    }
    if open.is_empty() {
        return Ok(decisions);
    }
    let with = pipeline.pool.review(inventory, &with, mode).await?;
    let without = pipeline.pool.review(inventory, &without, mode).await?;
    let mut untold = Vec::new();
    for (((at, open), with), without) in open.into_iter().zip(with).zip(without) {
        let Some(decision) = decisions.get_mut(at) else { continue };
        // If no variant can be read, the one finding says so.
        if unreadable(&with) || unreadable(&without) {
            continue;
        }
        let was_unreadable = unreadable(decision);
        let patch = decision.patch.take();
        *decision = Decision { patch, ..agreed(with, &without, &open) };
        if was_unreadable || decision.unknown.iter().any(|unknown| unknown.unfilled) {
            untold.push((at, open));
        }
    }
    tell(manifests, &untold, report);
    Ok(decisions)
}

/// The placeholders of a request that nothing fills in, and the request in both variants. Plain words count among them
/// only where the object cannot be read.
fn both(
    pipeline: &Pipeline,
    inventory: &Inventory,
    manifest: &Manifest,
    request: &Request,
    words: bool,
) -> Option<(Vec<Unfilled>, [Request; 2])> {
    // Of a Namespace or ConfigMap, nothing that is judged is a value.
    if !manifest.written_for_tools || !pipeline.pool.set().matches(request) {
        return None;
    }
    let kind = request.kind.group_kind();
    let unreadable = |value: &Value| inventory.reader().unreadable(&kind, value, &request.namespace);
    let of = |object: Option<&Object>| -> Option<(Vec<Unfilled>, [Value; 2])> {
        let value = object?.value().ok()?;
        let mut found = unfilled(value);
        if words {
            let known: HashSet<Path> = found.iter().map(|one| one.path.clone()).collect();
            let more = words_for_numbers(value, unreadable);
            found.extend(more.into_iter().filter(|one| !known.contains(&one.path)));
            found.sort_by(|one, other| one.path.cmp(&other.path));
        }
        // Nearly all objects have none, and variants cost a projection.
        let found = Some(found).filter(|found| !found.is_empty())?;
        let variants = variants(value, &found, unreadable);
        Some((found, variants))
    };
    let (new, old) = (of(request.object.as_ref()), of(request.old_object.as_ref()));
    let found = new.iter().chain(&old).flat_map(|(found, _)| found.iter().cloned()).collect::<Vec<_>>();
    let pick = |own: &Option<(Vec<Unfilled>, [Value; 2])>, as_it_is: &Option<Object>, at: usize| match own {
        Some((_, variants)) => variants.get(at).cloned().map(Object::from),
        None => as_it_is.clone(),
    };
    let variant = |at: usize| Request {
        object: pick(&new, &request.object, at),
        old_object: pick(&old, &request.old_object, at),
        ..request.clone()
    };
    (!found.is_empty()).then(|| (found, [variant(0), variant(1)]))
}

/// What both variants say.
fn agreed(mut with: Decision, without: &Decision, open: &[Unfilled]) -> Decision {
    let same = |one: &Finding, other: &Finding| {
        one.policy == other.policy && one.key == other.key && one.message == other.message
    };
    let mut left = BTreeSet::new();
    let both = std::mem::take(&mut with.findings);
    for mut finding in both {
        match without.findings.iter().find(|other| same(&finding, other)) {
            Some(other) => {
                finding.action = finding.action.min(other.action);
                with.findings.push(finding);
            }
            None => drop(left.insert(finding.policy)),
        }
    }
    let only_there =
        without.findings.iter().filter(|one| !with.findings.iter().any(|other| same(one, other)));
    left.extend(only_there.map(|finding| finding.policy.clone()));
    left.extend(without.failures.iter().map(|failure| failure.policy.clone()));
    let told: HashSet<_> = with.unknown.iter().map(|unknown| unknown.policy.clone()).collect();
    let missing = named(open);
    let unknown = |policy| Unknown { policy, missing: missing.clone(), unfilled: true };
    with.unknown.extend(left.into_iter().filter(|policy| !told.contains(policy)).map(unknown));
    with
}

fn named(open: &[Unfilled]) -> Vec<String> {
    let all: BTreeSet<String> = open.iter().map(|one| shown(&one.placeholder)).collect();
    let more = all.len().saturating_sub(NAMED);
    let mut named: Vec<String> = all.into_iter().take(NAMED).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    named
}

/// A placeholder as messages show it.
pub fn shown(placeholder: &str) -> String {
    shorten(plain::line(placeholder).into_owned(), SHOWN)
}

/// Adds a warning for each file.
fn tell(manifests: &[&Manifest], open: &[(usize, Vec<Unfilled>)], report: &mut Report) {
    let mut files: HashSet<&str> = HashSet::new();
    for (at, found) in open {
        let Some((manifest, first)) = manifests.get(*at).zip(found.first()) else { continue };
        if !files.insert(&manifest.file.name) {
            continue;
        }
        let of_file = open
            .iter()
            .filter(|(at, _)| manifests.get(*at).is_some_and(|other| other.file.name == manifest.file.name));
        let more = of_file.map(|(_, found)| found.len()).sum::<usize>().saturating_sub(1);
        let more = match more {
            0 => String::new(),
            1 => ", and so for another value in this file".to_owned(),
            more => format!(", and so for {more} other values in this file"),
        };
        let place = manifest.place(&first.path);
        let message = format!(
            "{} holds the placeholder {}, which nothing fills in: what depends on it is not judged{more}",
            path::dotted(&first.path),
            shown(&first.placeholder),
        );
        let help = "check what is applied: fill in the manifests first, and pass them to stategate check -";
        report.warnings.push(manifest.file.error(place.line, place.column, message).with_help(help));
    }
}
