//! What a repository takes out of its own check: told in the summary, so that a run that finds nothing because
//! the repository says so does not look like a clean one.

use std::path::Path;

use super::{Arguments, tracked};
use crate::cli::count;
use crate::cli::policies::{Documents, compiled};
use crate::plain;
use crate::policy::PolicyId;
use crate::policy::parameters::Parameters;
use crate::policyset::PolicySet;
use crate::source::catalogue::Catalogue;
use crate::source::tree::Tree;

/// The parts of the summary. `typed` are the flags of the command line alone; the rest of `arguments` comes from
/// the configuration that was found, if there is one.
pub fn relaxed(
    arguments: &Arguments,
    typed: &Arguments,
    set: &PolicySet,
    documents: &Documents,
    tree: &Tree,
) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    if let Some(file) = arguments.sources.found_config()? {
        let by =
            if file.is_relative() && !file.starts_with("..") { Path::new(".").join(&file) } else { file };
        let by = format!("by {}", by.display());
        said.extend(
            policies(arguments, typed, set, documents)?.into_iter().map(|part| format!("{part} {by}")),
        );
        if let Some(paths) = arguments.sources.chosen_paths(&typed.sources)? {
            said.push(format!("what is read is limited to {} {by}", count(paths, "path", "paths")));
        }
        if let Some(namespace) =
            arguments.namespace.as_ref().filter(|_| arguments.namespace != typed.namespace)
        {
            said.push(format!("the namespace is set to {} {by}", plain::line(namespace)));
        }
        if arguments.sources.has_more_excludes(&typed.sources) && tree.excluded > 0 {
            said.push(format!("{} excluded {by}", are(tree.excluded, "file", "files")));
        }
        if arguments.no_render && !typed.no_render && tree.unrendered > 0 {
            said.push(format!("{} left out {by}", are(tree.unrendered, "chart", "charts")));
        }
    }
    if tree.library > 0 {
        said.push(format!("{} left out as part of a library chart", are(tree.library, "file", "files")));
    }
    let hidden = tracked::hidden(tree);
    if hidden > 0 {
        said.push(format!("{} excluded by .gitignore", are(hidden, "tracked file", "tracked files")));
    }
    if tree.ignored > 0 {
        said.push(format!("{} excluded by .stategateignore", are(tree.ignored, "file", "files")));
    }
    Ok(said)
}

/// What becomes of policies that would be in force without the configuration.
fn policies(
    arguments: &Arguments,
    typed: &Arguments,
    set: &PolicySet,
    documents: &Documents,
) -> anyhow::Result<Vec<String>> {
    let (with, without) = (&arguments.policies, &typed.policies);
    let mut said = Vec::new();
    if let Some(own) = with.catalogue.policies.as_deref().filter(|_| without.catalogue.policies.is_none()) {
        let replaced = Catalogue::embedded().replacements(&Catalogue::directory(own)?);
        if replaced > 0 {
            said.push(format!("{} replaced", are(replaced, "shipped file", "shipped files")));
        }
    }
    if with == without {
        return Ok(said);
    }
    let (usual, _) = compiled(&without.source(), documents, Some(set))?;
    let now = jiff::Timestamp::now();
    let (mut waived, mut milder, mut other) = (0, 0, 0);
    for policy in usual.policies() {
        let Some(before) = usual.mildest(&policy.id, now) else { continue };
        match set.mildest(&policy.id, now) {
            None => waived += 1,
            Some(action) if action < before => milder += 1,
            Some(_) if has_other_parameters(&usual, set, &policy.id) => other += 1,
            Some(_) => {}
        }
    }
    if waived > 0 {
        said.push(format!("{} waived", are(waived, "policy", "policies")));
    }
    if milder > 0 {
        said.push(format!("{} made milder", are(milder, "policy", "policies")));
    }
    if other > 0 {
        said.push(format!("the parameters of {} are changed", count(other, "policy", "policies")));
    }
    Ok(said)
}

/// Is a policy asked with other values than usual, or no longer with the usual ones? Values beside the usual ones
/// only add findings.
fn has_other_parameters(usual: &PolicySet, set: &PolicySet, policy: &PolicyId) -> bool {
    let ((shared, overriding), (now_shared, now_overriding)) =
        (usual.parameters(policy), set.parameters(policy));
    let new = |values: &&Parameters| !shared.contains(values) && !overriding.contains(values);
    shared.iter().any(|values| !now_shared.contains(values)) || now_overriding.iter().any(new)
}

/// `1 file is`, `2 files are`
fn are(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number, one, many), if number == 1 { "is" } else { "are" })
}
