//! The `# METADATA` block of a policy, read strictly.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::parameters::Parameter;
use super::selector::Match;
use super::{Action, Policy, PolicyId, Severity};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::inventory::Needs;
use crate::reader;

/// Root of all policy packages.
pub const ROOT_PACKAGE: &str = "stategate";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    title: String,
    description: String,
    #[serde(default)]
    related_resources: Vec<RelatedResource>,
    custom: Custom,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelatedResource {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    #[expect(dead_code, reason = "OPA's METADATA has it; only a reader of the file needs it")]
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Custom {
    severity: Severity,
    action: Action,
    #[serde(default, rename = "match")]
    matches: Match,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    fix: String,
    at_admission: Option<Action>,
    #[serde(default)]
    inventory: Needs,
    #[serde(default)]
    terminating: bool,
    #[serde(default = "yes")]
    ratchet: bool,
}

fn yes() -> bool {
    true
}

/// Reads the METADATA of a policy's package.
///
/// # Errors
/// If there is no block right before `package`, if it is no YAML, if a key is unknown, missing or of
/// the wrong type, or if the package is not `stategate.<category>.<policy>`.
pub fn read(text: &SourceText) -> Result<Policy, Diagnostics> {
    let block = block(text)?;
    let yaml = SourceText::new(std::sync::Arc::clone(&text.name), block.yaml.as_str());
    let metadata: Metadata = reader::read_one(&yaml).map_err(|errors| block.shift(errors))?;
    let at = |message: String| text.error(block.package_line, 1, message);
    let (category, name) = match block.package.split('.').collect::<Vec<_>>().as_slice() {
        [root, category, name] if *root == ROOT_PACKAGE => ((*category).to_owned(), (*name).to_owned()),
        _ => {
            return Err(at(format!("package `{}` is not {ROOT_PACKAGE}.<category>.<policy>", block.package))
                .with_help(format!(
                    "write `package {ROOT_PACKAGE}.storage.my_policy` and name the folder alike"
                ))
                .into());
        }
    };
    for (name, parameter) in &metadata.custom.parameters {
        parameter
            .convert(&parameter.default)
            .map_err(|error| at(format!("default of parameter {name} {error}")))?;
    }
    Ok(Policy {
        id: PolicyId::new(name.replace('_', "-")),
        category: category.replace('_', "-").into(),
        package: block.package,
        source: std::sync::Arc::clone(&text.name),
        title: metadata.title.into(),
        description: metadata.description.trim().into(),
        related: metadata.related_resources.into_iter().map(|related| related.reference).collect(),
        severity: metadata.custom.severity,
        action: metadata.custom.action,
        at_admission: metadata.custom.at_admission,
        inventory: metadata.custom.inventory,
        matches: metadata.custom.matches,
        parameters: metadata.custom.parameters,
        fix: metadata.custom.fix.trim().into(),
        terminating: metadata.custom.terminating,
        ratchet: metadata.custom.ratchet,
    })
}

struct Block {
    yaml: String,
    /// Line of `# METADATA`, 1-based: the YAML's own line n is line `first + n` of the file.
    first: usize,
    package: String,
    package_line: usize,
}

impl Block {
    /// From places in the YAML to places in the file; each line has lost its `# `.
    fn shift(&self, mut errors: Diagnostics) -> Diagnostics {
        for error in &mut errors.0 {
            error.line += self.first;
            if error.column > 0 {
                error.column += 2;
            }
        }
        errors
    }
}

fn block(text: &SourceText) -> Result<Block, Diagnostic> {
    let lines: Vec<&str> = text.text.lines().collect();
    let (package_index, package) = lines
        .iter()
        .enumerate()
        .find_map(|(index, line)| Some((index, line.trim().strip_prefix("package ")?)))
        .ok_or_else(|| text.error(1, 0, "the file has no `package` line"))?;
    let mut head = lines.iter().take(package_index).enumerate();
    let Some((start, _)) = head.find(|(_, line)| line.trim_end() == "# METADATA") else {
        return Err(text
            .error(package_index + 1, 1, "the policy has no `# METADATA` block right above its package")
            .with_help(
                "a policy says there what it demands, how bad a violation is and how it is set right",
            ));
    };
    let mut yaml = String::new();
    for (index, line) in head {
        let Some(rest) = line.strip_prefix('#') else {
            return Err(text
                .error(index + 1, 1, "the `# METADATA` block ends before the package line")
                .with_help("every line between `# METADATA` and `package` starts with `#`"));
        };
        yaml.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        yaml.push('\n');
    }
    let package = package.split('#').next().unwrap_or_default().trim().to_owned();
    Ok(Block { yaml, first: start + 1, package, package_line: package_index + 1 })
}
