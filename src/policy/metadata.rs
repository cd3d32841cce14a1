//! The `# METADATA` block of a policy, parsed strictly.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use super::parameters::Parameter;
use super::selector::Match;
use super::{Action, Patches, Policy, PolicyId, Severity, kinds};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::inventory::InventoryRequirements;
use crate::path::{Path, Segment};
use crate::reader;
use crate::workload::projection::Projections;
use crate::yaml::Document;

/// The root of all policy packages.
pub const ROOT_PACKAGE: &str = "stategate";

/// The `# METADATA` block that stands right above the package of a policy, without its `# `.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Policy METADATA")]
struct Metadata {
    /// What the policy demands, in one line.
    title: String,
    /// Why it matters, in two or three sentences.
    description: String,
    /// Where to read more.
    #[serde(default)]
    related_resources: Vec<RelatedResource>,
    /// What stategate needs to know.
    custom: Custom,
}

/// A page about the subject.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RelatedResource {
    /// Its URL.
    #[serde(rename = "ref")]
    reference: String,
    /// What it is about. stategate does not show it.
    #[serde(default)]
    #[expect(dead_code, reason = "OPA's METADATA has it; only a reader of the file needs it")]
    description: String,
}

/// The keys of a METADATA block that OPA does not define.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Custom {
    /// How bad a violation is.
    severity: Severity,
    /// What happens to a violation unless a binding says otherwise.
    action: Action,
    /// The requests that the policy evaluates: all keys must agree.
    #[serde(default, rename = "match")]
    matches: Match,
    /// Parameters by name. A binding sets them; the policy reads them from `input.parameters`.
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
    /// How to fix a violation, unless the violation itself says it better.
    fix: String,
    /// Why a violation matters, in one sentence: what reports print as `why:`.
    why: Option<String>,
    /// What happens to a violation at admission, if that is milder than `action`: siblings may still arrive.
    at_admission: Option<Action>,
    /// The kinds of other objects that the policy needs.
    #[serde(default)]
    inventory: InventoryRequirements,
    /// Also evaluate objects that are already being deleted, and deletes of owned objects.
    #[serde(default)]
    terminating: bool,
    /// `stategate audit` evaluates it on what exists: false for a policy about the act of creating.
    #[serde(default = "yes")]
    audited: bool,
    /// A finding may contain a credential: reports say where it is and never show the text.
    #[serde(default)]
    sensitive: bool,
    /// A violation that the previous version of the object has too only warns.
    #[serde(default = "yes")]
    ratchet: bool,
    /// Where the patches of the policy are applied.
    #[serde(default)]
    patches: Patches,
}

fn yes() -> bool {
    true
}

/// Reads the METADATA block of a policy's package. With projections, the kinds that it names are checked, too.
///
/// # Errors
/// If there is no block right before `package`, if it is not YAML, if a key is unknown, missing or of the
/// wrong type, if a kind is unknown, or if the package is not `stategate.<category>.<policy>`.
pub fn read(text: &SourceText, projections: Option<&Projections>) -> Result<Policy, Diagnostics> {
    let block = block(text)?;
    let mut errors = Vec::new();
    let named = package(text, &block).map_err(|error| errors.push(error)).ok();
    let yaml = SourceText::new(Arc::clone(&text.name), block.yaml.as_str());
    let document = reader::one(&yaml).map_err(|errors| block.shift(errors))?;
    let (read, faults) = reader::typed_in_part::<Metadata>(&yaml, &document);
    errors.extend(block.shift(faults).0);
    if let (Some(metadata), Some(projections)) = (&read.value, projections) {
        let sound = |path: &Path| read.is_sound(path);
        let faults = unknown_kinds(&yaml, &document, &metadata.custom.matches, projections, sound);
        errors.extend(block.shift(Diagnostics(faults)).0);
    }
    let parameters = read.value.iter().flat_map(|metadata| &metadata.custom.parameters);
    for (name, parameter) in parameters {
        let path = ["custom", "parameters"].map(Segment::from).into_iter().chain([name.clone().into()]);
        let mut path: Path = path.collect();
        // A faulty parameter is represented by a stand-in, whose default means nothing.
        if let (true, Err(error)) = (read.is_sound(&path), parameter.convert(&parameter.default)) {
            path.push("default".into());
            let place = document.positions.place(&path);
            let error = yaml.error(place.line, place.column, format!("default of parameter {name} {error}"));
            errors.extend(block.shift(error.into()).0);
        }
    }
    let (Some(metadata), Some((category, name)), true) = (read.value, named, errors.is_empty()) else {
        errors.sort_by_key(|error| (error.line, error.column));
        return Err(Diagnostics(errors));
    };
    Ok(Policy {
        id: PolicyId::new(name.replace('_', "-")),
        category: category.replace('_', "-").into(),
        package: block.package,
        source: Arc::clone(&text.name),
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
        why: metadata.custom.why.map(|why| why.trim().into()),
        terminating: metadata.custom.terminating,
        audited: metadata.custom.audited,
        sensitive: metadata.custom.sensitive,
        ratchet: metadata.custom.ratchet,
        patches: metadata.custom.patches,
    })
}

/// The kinds that no policy can review. `sound`: whether what stands at a path was read from there.
fn unknown_kinds(
    yaml: &SourceText,
    document: &Document,
    matches: &Match,
    projections: &Projections,
    sound: impl Fn(&Path) -> bool,
) -> Vec<Diagnostic> {
    let fault = |(index, kind): (usize, _)| {
        let unknown = kinds::check(kind, projections).err()?;
        let keys = ["custom", "match", "kinds"].map(Segment::from);
        let path: Path = keys.into_iter().chain([index.into()]).collect();
        let place = document.positions.place(&path);
        let message = format!("custom.match.kinds[{index}]: {}", unknown.message);
        sound(&path).then(|| yaml.error(place.line, place.column, message).with_help(unknown.help))
    };
    matches.kinds.iter().enumerate().filter_map(fault).collect()
}

/// The category and name in a policy's package.
fn package(text: &SourceText, block: &Block) -> Result<(String, String), Diagnostic> {
    match block.package.split('.').collect::<Vec<_>>().as_slice() {
        [ROOT_PACKAGE, category, name] => Ok(((*category).to_owned(), (*name).to_owned())),
        _ => {
            let message = format!("package `{}` is not {ROOT_PACKAGE}.<category>.<policy>", block.package);
            Err(text.error(block.package_line, 1, message).with_help(format!(
                "write `package {ROOT_PACKAGE}.storage.my_policy` and name the folder alike"
            )))
        }
    }
}

/// The JSON Schema of the METADATA block.
pub fn schema() -> Schema {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Metadata>()
}

/// The YAML of the METADATA block, without its `# `.
///
/// # Errors
/// If there is no block right before `package`.
pub fn yaml(text: &SourceText) -> Result<String, Diagnostics> {
    Ok(block(text)?.yaml)
}

struct Block {
    yaml: String,
    /// Line of `# METADATA`, 1-based: the YAML's own line n is line `first + n` of the file.
    first: usize,
    package: String,
    package_line: usize,
}

impl Block {
    /// Converts positions in the YAML to positions in the file; each line has lost its `# `.
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
    let (package_line, package) =
        package_line(text).ok_or_else(|| text.error(1, 0, "the file has no `package` line"))?;
    let package_index = package_line - 1;
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
    Ok(Block { yaml, first: start + 1, package: package.to_owned(), package_line })
}

/// The package of a module and the line (1-based) that names it.
pub fn package_line(text: &SourceText) -> Option<(usize, &str)> {
    text.text.lines().enumerate().find_map(|(index, line)| {
        let package = line.trim().strip_prefix("package ")?;
        Some((index + 1, package.split('#').next().unwrap_or_default().trim()))
    })
}
