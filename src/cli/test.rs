//! `stategate test`: the tests and examples of policies.
//!
//! A `test_*` rule passes if it is true. An example goes through the whole pipeline, its file name
//! is the assertion: `pass_`, `deny_`, `warn_`, or `patch_….in.yaml` with its `….out.yaml`.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use serde_json::Value;

use super::example::{self, Example, Judged};
use super::record::Record;
use super::{Exit, print};
use crate::admission::Request;
use crate::decision::Decision;
use crate::diagnostic::{Diagnostics, SourceText};
use crate::engine::{self, Coverage, Rego};
use crate::policy::{Action, PolicyId, metadata};
use crate::policyset::{PolicySet, Sources};
use crate::review::review;
use crate::source::catalogue::Catalogue;

#[derive(Args)]
#[command(after_help = "Without DIR the shipped catalogue is tested.

Exit codes: 0 all passed, 1 a test failed or a policy has none, 2 the policies cannot be loaded.")]
pub struct Arguments {
    /// A directory of policies, as for --policies
    dir: Option<PathBuf>,

    /// Say how much of each policy the test_* rules reach, and which lines they do not
    #[arg(long)]
    coverage: bool,

    /// The least share of lines in percent that the test_* rules must reach in every policy
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,

    /// More objects to put to every policy, under every profile: none may fail to decide. Manifests and
    /// AdmissionReviews, files or directories
    #[arg(long, value_name = "PATH")]
    objects: Vec<PathBuf>,

    /// Write what every rule was asked and answered to a file, one JSON document a line: for a second
    /// engine to be asked the same
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Record of examples also what is answered if one field of the document is missing, each in turn
    #[arg(long, requires = "record")]
    thin: bool,

    /// Name every test that passes, too
    #[arg(short, long)]
    verbose: bool,
}

/// One test or example, and why it failed.
struct Outcome {
    name: String,
    failure: Option<String>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let shipped = Catalogue::embedded();
    let (tested, catalogue) = match &arguments.dir {
        Some(directory) => {
            let own = Catalogue::directory(directory)?;
            (own.clone(), shipped.overlaid(&own))
        }
        None => (shipped.clone(), shipped),
    };
    let mut record = Record::default();
    let (mut outcomes, coverage) = rego_tests(&tested, &catalogue, &mut record)?;
    let tests = outcomes.len();
    outcomes.extend(examples(&tested, &catalogue)?);
    let examples = outcomes.len() - tests;
    let objects = record.objects(&arguments.objects, &catalogue)?;
    let with_objects = match objects.len() {
        0 => String::new(),
        objects => format!(", {objects} objects"),
    };
    outcomes.extend(objects.into_iter().map(|(name, failure)| Outcome { name, failure }));
    if let Some(file) = &arguments.record {
        record.examples(&tested, &catalogue, arguments.thin)?;
        std::fs::write(file, record.text())
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    outcomes.extend(untested(&tested, &outcomes)?);
    let reached = Reached::of(&tested, coverage);
    outcomes.extend(arguments.min_coverage.map(|least| reached.below(least)).into_iter().flatten());
    if arguments.coverage {
        print(&reached.to_string())?;
    }

    for outcome in &outcomes {
        match &outcome.failure {
            Some(failure) => {
                print(&format!("FAIL {}\n     {}\n", outcome.name, failure.replace('\n', "\n     ")))?
            }
            None if arguments.verbose => print(&format!("ok   {}\n", outcome.name))?,
            None => {}
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let policies = tested.unbound().policies.len();
    print(&format!(
        "{policies} policies, {tests} tests, {examples} examples{with_objects}: {failed} failed\n"
    ))?;
    Ok(if failed > 0 || tests + examples == 0 { Exit::Findings } else { Exit::Clean })
}

/// Every `test_*` rule of the tested directory, with everything else it may import loaded.
fn rego_tests(
    tested: &Catalogue,
    catalogue: &Catalogue,
    record: &mut Record,
) -> anyhow::Result<(Vec<Outcome>, Vec<Coverage>)> {
    let Sources { policies, libraries, .. } = catalogue.unbound();
    let tests = tested.tests();
    let texts: Vec<SourceText> = policies.into_iter().chain(libraries).chain(tests.iter().cloned()).collect();
    let mut rego = Rego::load(&texts)?;
    let modules = rego.modules();
    // What the compiler says of one module holds for all of them: it ends the run, not one test.
    let mut all_rules = modules.iter().zip(&texts).flat_map(|(module, text)| {
        module
            .rules
            .iter()
            .filter(|rule| rule.starts_with("test_"))
            .map(move |rule| (format!("data.{}.{rule}", module.package), text))
    });
    if let Some((path, text)) = all_rules.next() {
        rego.prepare(std::iter::once((path.as_str(), text)))?;
    }
    let mut session = rego.observed_session();
    session.record();
    let of_tests = modules.iter().rev().take(tests.len()).rev();
    let mut outcomes = Vec::new();
    for (module, text) in of_tests.zip(&tests) {
        let rules: Vec<&String> = module.rules.iter().filter(|rule| rule.starts_with("test_")).collect();
        if rules.is_empty() {
            outcomes.push(Outcome {
                name: text.name.to_string(),
                failure: Some("the file has no test_* rule".to_owned()),
            });
        }
        for rule in rules {
            let path = format!("data.{}.{rule}", module.package);
            let failure = match session.evaluate(&path, empty_object()) {
                Ok(engine::Value::Bool(true)) => None,
                Ok(engine::Value::Undefined) => Some("one of its conditions does not hold".to_owned()),
                Ok(value) => Some(format!(
                    "is {}, not true",
                    value.to_json_str().unwrap_or_else(|error| error.to_string())
                )),
                Err(error) => Some(error),
            };
            outcomes.push(Outcome { name: format!("{path} ({})", text.name), failure });
        }
        record.add(&text.name, &mut session)?;
    }
    let coverage = session.coverage().map_err(anyhow::Error::msg)?;
    Ok((outcomes, coverage))
}

/// How much of each policy and library its tests reach.
struct Reached(Vec<Coverage>);

impl Reached {
    /// Of what is tested; tests themselves do not count.
    fn of(tested: &Catalogue, coverage: Vec<Coverage>) -> Self {
        let Sources { policies, libraries, .. } = tested.unbound();
        let names: BTreeSet<String> =
            policies.iter().chain(&libraries).map(|text| text.name.to_string()).collect();
        Self(coverage.into_iter().filter(|file| names.contains(&file.source)).collect())
    }

    fn percent(file: &Coverage) -> usize {
        let all = file.reached.len() + file.missed.len();
        (file.reached.len() * 100).checked_div(all).unwrap_or(100)
    }

    fn missed(file: &Coverage) -> String {
        let lines: Vec<String> = file.missed.iter().map(ToString::to_string).collect();
        if lines.is_empty() { String::new() } else { format!(", not lines {}", lines.join(", ")) }
    }

    fn below(&self, least: u8) -> Vec<Outcome> {
        let low = self.0.iter().filter(|file| Self::percent(file) < usize::from(least));
        let outcomes = low.map(|file| Outcome {
            name: file.source.clone(),
            failure: Some(format!(
                "tests reach {} % of its lines, not {least} %{}",
                Self::percent(file),
                Self::missed(file)
            )),
        });
        outcomes.collect()
    }
}

impl std::fmt::Display for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for file in &self.0 {
            writeln!(f, "{:>4} %  {}{}", Self::percent(file), file.source, Self::missed(file))?;
        }
        Ok(())
    }
}

fn empty_object() -> engine::Value {
    BTreeMap::new().into()
}

/// Every example of the tested directory, judged by its own policy alone.
fn examples(tested: &Catalogue, catalogue: &Catalogue) -> anyhow::Result<Vec<Outcome>> {
    let mut sets: BTreeMap<(&str, bool), PolicySet> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for example in example::all(tested) {
        let mutate = example.expects() == "patch";
        let set = match sets.entry((example.folder, mutate)) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(example::alone(catalogue, example.folder, mutate)?),
        };
        let failure = assert(&example, set).err().map(|error| error.to_string());
        outcomes.push(Outcome { name: example.text.name.to_string(), failure });
    }
    Ok(outcomes)
}

fn assert(example: &Example<'_>, set: &PolicySet) -> anyhow::Result<()> {
    let judged = example.judge(set)?;
    let decisions = &judged.decisions;
    if let Some(failure) = decisions.iter().flat_map(|decision| &decision.failures).next() {
        anyhow::bail!("the policy could not decide: {}", failure.error);
    }
    if decisions.iter().all(|decision| decision.evaluated == 0) {
        anyhow::bail!("the policy was not asked: check kind, operation and class in its `match`");
    }
    let mut unwritten = decisions.iter().flat_map(|decision| &decision.findings);
    if let Some(finding) = unwritten.find(|finding| finding.message.contains("TODO")) {
        anyhow::bail!("the message still says TODO: {}", finding.message);
    }
    match (example.expects(), strictest(decisions)) {
        ("pass", None) | ("deny", Some(Action::Deny)) | ("warn", Some(Action::Warn)) => Ok(()),
        ("deny" | "warn", None) => anyhow::bail!(
            "nothing was found; what the rule sees: stategate input --policy {} {}",
            example.folder.rsplit('/').next().unwrap_or_default().replace('_', "-"),
            example.text.name
        ),
        ("pass" | "deny" | "warn", _) => anyhow::bail!("{}", describe(decisions)),
        ("patch", _) => assert_patch(example, set, &judged),
        _ => anyhow::bail!("an example is named pass_*.yaml, deny_*.yaml, warn_*.yaml or patch_*.in.yaml"),
    }
}

/// The patched object is the expected one, passes, and gets no further patch.
fn assert_patch(example: &Example<'_>, set: &PolicySet, judged: &Judged) -> anyhow::Result<()> {
    let out = example.out.ok_or_else(|| anyhow::anyhow!("there is no .out.yaml beside it"))?;
    let expected = example::one_object(out)?;
    let patched = judged.decisions.iter().find_map(|decision| decision.patch.as_ref());
    let Some(patched) = patched else { anyhow::bail!("nothing was patched") };
    if patched.object != *expected.object {
        let difference = json_patch::diff(&expected.object, &patched.object);
        anyhow::bail!(
            "the patched object differs from {}:\n{}",
            out.name,
            serde_json::to_string_pretty(&difference)?
        );
    }
    for request in &judged.requests {
        let again = Request { object: Some(patched.object.clone().into()), ..request.clone() };
        let second = review(set, &judged.inventory, &again, example::now()?);
        if second.patch.is_some() {
            anyhow::bail!("the patched object is patched again: the patch is not idempotent");
        }
        if second.strictest().is_some() {
            anyhow::bail!("the patched object does not pass its own policy: {}", describe(&[second]));
        }
    }
    Ok(())
}

fn strictest(decisions: &[Decision]) -> Option<Action> {
    decisions.iter().filter_map(Decision::strictest).max()
}

fn describe(decisions: &[Decision]) -> String {
    let found: Vec<String> = decisions
        .iter()
        .flat_map(|decision| &decision.findings)
        .map(|finding| {
            let value: Value = finding.path.iter().map(|segment| serde_json::json!(segment)).collect();
            format!("{} {}: {} at {value}", finding.action, finding.policy, finding.message)
        })
        .collect();
    if found.is_empty() { "nothing was found".to_owned() } else { found.join("\n") }
}

/// Policies that no test and no example judges.
fn untested(tested: &Catalogue, outcomes: &[Outcome]) -> Result<Vec<Outcome>, Diagnostics> {
    let mut missing = Vec::new();
    for text in tested.unbound().policies {
        let policy = metadata::read(&text)?;
        let folder = text.name.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let id: &PolicyId = &policy.id;
        // Of a scaffold (`policy new`) that nobody has filled in.
        if [&policy.title, &policy.description, &policy.fix].iter().any(|text| text.starts_with("TODO")) {
            missing.push(Outcome {
                name: format!("{id} ({})", text.name),
                failure: Some("its METADATA still says TODO".to_owned()),
            });
        }
        let has = |kinds: &[&str]| {
            outcomes
                .iter()
                .any(|outcome| kinds.iter().any(|kind| outcome.name.contains(&format!("{folder}/{kind}"))))
        };
        let test = format!("{}_test.rego", policy.package.rsplit('.').next().unwrap_or_default());
        let faults: [(&[&str], &str); 3] = [
            (&[&test], "no test_* rule"),
            (&["examples/pass_"], "no pass_ example"),
            (&["examples/deny_", "examples/warn_", "examples/patch_"], "no deny_, warn_ or patch_ example"),
        ];
        for (wanted, fault) in faults {
            if !has(wanted) {
                missing.push(Outcome {
                    name: format!("{id} ({})", text.name),
                    failure: Some(format!("the policy has {fault}")),
                });
                break;
            }
        }
    }
    Ok(missing)
}
