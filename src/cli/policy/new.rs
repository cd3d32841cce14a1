//! `stategate policy new`: a policy that loads, and whose tests fail until it is filled in.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::list::snake_or_kebab;
use crate::cli::{Exit, print, say};
use crate::plain;
use crate::policy::{PolicyId, metadata};
use crate::source::catalogue::Catalogue;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate policy new storage/claim-not-too-small
  stategate policy new health/probe_is_cheap --action warn --dir our-policies

Exit codes: 0 written, 2 the name is invalid or taken, or the folder exists.")]
pub struct Arguments {
    /// Category and name, in kebab or snake case: storage/claim-not-too-small
    #[arg(value_name = "CATEGORY/NAME")]
    name: String,

    /// The directory of policies
    #[arg(long, default_value = "policies")]
    dir: PathBuf,

    /// What happens to a violation
    #[arg(long, value_enum, default_value_t = Action::Deny)]
    action: Action,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    Deny,
    Warn,
}

/// The files of a new policy.
const POLICY: &str = include_str!("scaffold/policy.rego");
const TEST: &str = include_str!("scaffold/policy_test.rego");
const EXAMPLE: &str = include_str!("scaffold/example.yaml");

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let name = Name::parse(&arguments.name)?;
    let folder = arguments.dir.join(&name.category).join(&name.policy);
    anyhow::ensure!(!folder.exists(), "{} already exists: nothing was written", plain::path(folder));
    taken(&name, &arguments.dir)?;

    let (action, severity) = match arguments.action {
        Action::Deny => ("deny", "high"),
        Action::Warn => ("warn", "medium"),
    };
    let fill = |text: &str| {
        text.replace("{category}", &name.category)
            .replace("{policy}", &name.policy)
            .replace("{id}", name.id().as_str())
            .replace("{action}", action)
            .replace("{severity}", severity)
    };
    let example =
        |comment: &str, replicas: &str| EXAMPLE.replace("{comment}", comment).replace("{replicas}", replicas);
    let policy = &name.policy;
    let files = [
        (format!("{policy}.rego"), fill(POLICY)),
        (format!("{policy}_test.rego"), fill(TEST)),
        (
            "examples/pass_good.yaml".to_owned(),
            example("TODO: an object that only just passes, and shows what is wanted.", "3"),
        ),
        (
            format!("examples/{action}_bad.yaml"),
            example("TODO: the same object with the fault that the policy finds.", "1"),
        ),
    ];
    for (file, text) in &files {
        let path = folder.join(file);
        write(&path, text)?;
        print(&format!("{}\n", plain::path(path)))?;
    }
    say(&next_steps(&name.id(), &arguments.dir, &folder, action));
    Ok(Exit::Clean)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot create {}", plain::path(parent)))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", plain::path(path)))
}

fn next_steps(id: &PolicyId, dir: &Path, folder: &Path, action: &str) -> String {
    let bad = folder.join(format!("examples/{action}_bad.yaml"));
    let (dir, bad) = (plain::path(dir), plain::path(bad));
    format!(
        "\nThe policy {id} loads, but its tests fail until it is filled in. Next:\n\
         \x20 1. edit {bad} and pass_good.yaml beside it;\n\
         \x20 2. print what the rule sees:       stategate input --policies {dir} --policy {id} {bad}\n\
         \x20 3. write the rule, its METADATA and its tests;\n\
         \x20 4. test at every change:         stategate test {dir} --watch\n\
         \x20 5. write the README:             stategate policy docs {dir}\n"
    )
}

/// Category and name in snake case, as in folders and packages.
struct Name {
    category: String,
    policy: String,
}

/// Folders beside the categories that contain no policies.
const RESERVED: [&str; 3] = ["lib", "profiles", "workloads"];
/// Keywords of Rego: a package of that name cannot be imported.
const KEYWORDS: [&str; 16] = [
    "as", "contains", "data", "default", "else", "every", "false", "if", "import", "in", "input", "not",
    "null", "package", "some", "true",
];

impl Name {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let (category, policy) = text.split_once('/').ok_or_else(|| {
            anyhow::anyhow!(
                "{text:?} has no category: write CATEGORY/NAME, such as storage/claim-not-too-small"
            )
        })?;
        let name = Self { category: segment(category)?, policy: segment(policy)? };
        if RESERVED.contains(&name.category.as_str()) {
            anyhow::bail!("{category:?} is not a category: the folder {category} contains something else");
        }
        if name.policy.ends_with("_test") {
            anyhow::bail!("{policy:?} ends like a test: a file …_test.rego contains tests, not a policy");
        }
        Ok(name)
    }

    fn id(&self) -> PolicyId {
        PolicyId::new(snake_or_kebab(&self.policy))
    }
}

fn segment(text: &str) -> anyhow::Result<String> {
    let snake = text.replace('-', "_");
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let fits = snake.starts_with(|c: char| c.is_ascii_lowercase()) && snake.split('_').all(word);
    if !fits {
        let better: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .collect();
        let better = better.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        let better = better.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        let example = if better.is_empty() { "claim-not-too-small" } else { better };
        anyhow::bail!(
            "{text:?} is not a valid name: use lower-case words of letters and digits, joined by - or _, \
             starting with a letter\n  help: write {example}"
        );
    }
    if KEYWORDS.contains(&snake.as_str()) {
        anyhow::bail!("{text:?} is not a valid name: it is a keyword of Rego");
    }
    Ok(snake)
}

/// Is there a policy of this id, shipped or in the directory?
fn taken(name: &Name, directory: &Path) -> anyhow::Result<()> {
    let shipped = Catalogue::embedded();
    // A new directory may be empty or missing.
    let all = match Catalogue::directory(directory) {
        Ok(own) => shipped.overlaid(&own),
        Err(_) => shipped,
    };
    let id = name.id();
    for text in all.unbound().policies {
        if metadata::read(&text, None).is_ok_and(|policy| policy.id == id) {
            anyhow::bail!(
                "the policy {id} already exists in {}: ids are unique across all categories",
                text.name
            );
        }
    }
    Ok(())
}
