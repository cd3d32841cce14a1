//! What a repository takes out of its own check: told in the summary, so that a run that finds nothing because
//! the repository says so does not look like a clean one.

use std::path::Path;

use super::Arguments;
use crate::cli::count;
use crate::policyset::PolicySet;
use crate::source::catalogue::Catalogue;
use crate::source::tree::Tree;

/// The parts of the summary. `typed` are the flags of the command line alone; the rest of `arguments` comes from
/// the configuration that was found, if there is one.
pub fn relaxed(
    arguments: &Arguments,
    typed: &Arguments,
    set: &PolicySet,
    tree: &Tree,
) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    if let Some(file) = arguments.sources.found_config()? {
        let by =
            if file.is_relative() && !file.starts_with("..") { Path::new(".").join(&file) } else { file };
        let by = format!("by {}", by.display());
        said.extend(policies(arguments, typed, set)?.into_iter().map(|part| format!("{part} {by}")));
        if arguments.sources.has_more_excludes(&typed.sources) && tree.excluded > 0 {
            said.push(format!("{} excluded {by}", are(tree.excluded, "file", "files")));
        }
        if arguments.no_render && !typed.no_render && tree.unrendered > 0 {
            said.push(format!("{} left out {by}", are(tree.unrendered, "chart", "charts")));
        }
    }
    if tree.ignored > 0 {
        said.push(format!("{} excluded by .stategateignore", are(tree.ignored, "file", "files")));
    }
    Ok(said)
}

/// What becomes of policies that would be in force without the configuration.
fn policies(arguments: &Arguments, typed: &Arguments, set: &PolicySet) -> anyhow::Result<Vec<String>> {
    let (with, without) = (&arguments.policies, &typed.policies);
    let mut said = Vec::new();
    if let Some(own) = with.catalogue.policies.as_deref().filter(|_| without.catalogue.policies.is_none()) {
        let replaced = Catalogue::embedded().replacements(&Catalogue::directory(own)?);
        if replaced > 0 {
            said.push(format!("{} replaced", are(replaced, "shipped file", "shipped files")));
        }
    }
    let source = without.source();
    if with == without {
        return Ok(said);
    }
    let usual = source.compile(&source.read()?, Some(set))?;
    let now = jiff::Timestamp::now();
    let (mut waived, mut milder) = (0, 0);
    for policy in usual.policies() {
        let Some(before) = usual.mildest(&policy.id, now) else { continue };
        match set.mildest(&policy.id, now) {
            None => waived += 1,
            Some(action) if action < before => milder += 1,
            Some(_) => {}
        }
    }
    if waived > 0 {
        said.push(format!("{} waived", are(waived, "policy", "policies")));
    }
    if milder > 0 {
        said.push(format!("{} made milder", are(milder, "policy", "policies")));
    }
    Ok(said)
}

/// `1 file is`, `2 files are`
fn are(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number, one, many), if number == 1 { "is" } else { "are" })
}
