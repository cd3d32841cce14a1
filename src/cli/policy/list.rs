//! `stategate policy list`: the policies and their action under a profile.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::standing::{Standing, TIERS, standing};
use crate::cli::policies::PolicyArguments;
use crate::cli::{Exit, print, print_exactly, say};
use crate::diagnostic::did_you_mean;
use crate::engine::EngineKind;
use crate::plain;
use crate::policy::Policy;
use crate::policyset::PolicySet;
use crate::report::page::table;
use crate::workload::labels::glob;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate policy list
  stategate policy list --profile baseline --severity critical
  stategate policy list --id 'storage*' -o json

The action is that of a Namespace without the label stategate.io/tier; -o json has all tiers.")]
pub struct Arguments {
    #[command(flatten)]
    policies: PolicyArguments,

    /// Only policies of this category; may be given several times
    #[arg(long)]
    category: Vec<String>,

    /// Only policies of this severity; may be given several times
    #[arg(long, value_parser = ["critical", "high", "medium", "low"])]
    severity: Vec<String>,

    /// Only policies whose id matches (* and ? allowed); may be given several times
    #[arg(long, value_name = "GLOB")]
    id: Vec<String>,

    /// The format
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Table,
    Json,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = arguments.policies.policy_set()?;
    arguments.known(&set)?;
    let policies: Vec<&Policy> = set.policies().filter(|policy| arguments.wants(policy)).collect();
    match arguments.output {
        Format::Table if policies.is_empty() => say("no policy matches these filters\n"),
        Format::Table => print(&as_table(&set, &policies))?,
        Format::Json => print_exactly(&(as_json(&set, &policies)? + "\n"))?,
    }
    Ok(Exit::Clean)
}

impl Arguments {
    fn wants(&self, policy: &Policy) -> bool {
        let any = |list: &[String], is: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|x| is(x));
        any(&self.category, &|category| snake_or_kebab(category) == *policy.category)
            && any(&self.severity, &|severity| severity == policy.severity.as_str())
            && any(&self.id, &|id| glob(&snake_or_kebab(id), policy.id.as_str()))
    }

    /// An unknown category is an error, not an empty table.
    fn known(&self, set: &PolicySet) -> anyhow::Result<()> {
        for category in &self.category {
            let mut known = set.policies().map(|policy| &*policy.category);
            if !known.any(|known| known == snake_or_kebab(category)) {
                let help = did_you_mean(category, set.policies().map(|policy| &*policy.category));
                let help = help.map(|help| format!("\n  help: {help}")).unwrap_or_default();
                anyhow::bail!("there is no category {category}{help}");
            }
        }
        Ok(())
    }
}

/// People write both.
pub fn snake_or_kebab(name: &str) -> String {
    name.replace('_', "-")
}

fn engine(set: &PolicySet, policy: &Policy) -> &'static str {
    match (set.engine(), set.unsupported(policy)) {
        (EngineKind::Compiled, None) => "compiled",
        _ => "interpreter",
    }
}

fn as_table(set: &PolicySet, policies: &[&Policy]) -> String {
    let head = ["POLICY", "SEVERITY", "ACTION", "CATEGORY", "TITLE"].map(str::to_owned);
    let rows: Vec<Vec<String>> = policies
        .iter()
        .map(|policy| {
            vec![
                policy.id.to_string(),
                policy.severity.to_string(),
                standing(set, policy, None).to_string(),
                policy.category.to_string(),
                policy.title.to_string(),
            ]
        })
        .collect();
    let because = |policy: &&Policy| {
        let reason = set.unsupported(policy)?;
        Some(format!("note: {} is interpreted, which is slower: {reason}\n", policy.id))
    };
    let notes: String = policies.iter().filter_map(because).collect();
    table(&head, &rows) + &notes
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonList<'a> {
    api_version: &'static str,
    kind: &'static str,
    profile: &'a str,
    policies: Vec<JsonPolicy<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonPolicy<'a> {
    id: &'a str,
    category: &'a str,
    severity: &'a str,
    action: &'static str,
    mutates: bool,
    tiers: Vec<JsonTier>,
    title: &'a str,
    source: &'a str,
    /// `compiled` or `interpreter`
    engine: &'static str,
    /// Why the interpreter evaluates it although others are compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    interpreted_because: Option<String>,
}

#[derive(Serialize)]
struct JsonTier {
    /// `None`: a Namespace without the label.
    tier: Option<&'static str>,
    action: &'static str,
    mutates: bool,
}

fn as_json(set: &PolicySet, policies: &[&Policy]) -> Result<String, serde_json::Error> {
    let policy = |policy: &&'_ Policy| -> (Standing, Vec<JsonTier>) {
        let tiers = TIERS.map(|tier| (tier, standing(set, policy, tier)));
        let json = |(tier, standing): (Option<&'static str>, Standing)| JsonTier {
            tier,
            action: standing.action(),
            mutates: standing.mutates,
        };
        (standing(set, policy, None), tiers.into_iter().map(json).collect())
    };
    plain::json(&JsonList {
        api_version: "stategate.io/v1alpha1",
        kind: "PolicyList",
        profile: set.profile(),
        policies: policies
            .iter()
            .map(|one| {
                let (standing, tiers) = policy(one);
                JsonPolicy {
                    id: one.id.as_str(),
                    category: &one.category,
                    severity: one.severity.as_str(),
                    action: standing.action(),
                    mutates: standing.mutates,
                    tiers,
                    title: &one.title,
                    source: &one.source,
                    engine: engine(set, one),
                    interpreted_because: set.unsupported(one).map(ToString::to_string),
                }
            })
            .collect(),
    })
}
