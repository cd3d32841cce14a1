//! `stategate test`: the tests and examples of policies.
//!
//! A `test_*` rule passes if it is true. An example goes through the whole pipeline, its file name
//! is the assertion: `pass_`, `deny_`, `warn_`, or `patch_….in.yaml` with its `….out.yaml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::{Exit, print};
use crate::admission::{Phase, Request, wire};
use crate::decision::Decision;
use crate::diagnostic::{Diagnostics, SourceText};
use crate::engine::{self, Rego};
use crate::inventory::Inventory;
use crate::policy::{Action, PolicyId, metadata};
use crate::policyset::{PolicySet, Sources};
use crate::review::review;
use crate::source::catalogue::Catalogue;
use crate::source::manifests::Manifests;

#[derive(Args)]
#[command(after_help = "Without DIR the shipped catalogue is tested.

Exit codes: 0 all passed, 1 a test failed or a policy has none, 2 the policies cannot be loaded.")]
pub struct Arguments {
    /// A directory of policies, as for --policies
    dir: Option<PathBuf>,

    /// Name every test that passes, too
    #[arg(short, long)]
    verbose: bool,
}

/// The time that examples are judged at: a run today and a run next year agree.
const NOW: &str = "2026-01-01T00:00:00Z";

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
    let mut outcomes = rego_tests(&tested, &catalogue)?;
    let tests = outcomes.len();
    outcomes.extend(examples(&tested, &catalogue)?);
    let examples = outcomes.len() - tests;
    outcomes.extend(untested(&tested, &outcomes)?);

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
    print(&format!("{policies} policies, {tests} tests, {examples} examples: {failed} failed\n"))?;
    Ok(if failed > 0 || tests + examples == 0 { Exit::Findings } else { Exit::Clean })
}

/// Every `test_*` rule of the tested directory, with everything else it may import loaded.
fn rego_tests(tested: &Catalogue, catalogue: &Catalogue) -> Result<Vec<Outcome>, Diagnostics> {
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
            let failure = match rego.session().evaluate(&path, empty_object()) {
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
    }
    Ok(outcomes)
}

fn empty_object() -> engine::Value {
    BTreeMap::new().into()
}

/// Every example of the tested directory, judged by its own policy alone.
fn examples(tested: &Catalogue, catalogue: &Catalogue) -> anyhow::Result<Vec<Outcome>> {
    let now: jiff::Timestamp = NOW.parse()?;
    let mut sets: BTreeMap<(String, bool), PolicySet> = BTreeMap::new();
    let texts: BTreeMap<&str, &SourceText> = tested.examples().collect();
    let mut outcomes = Vec::new();
    for (path, text) in &texts {
        let Some((folder, file)) = path.split_once("/examples/") else { continue };
        if file.ends_with(".old.yaml") || file.ends_with(".out.yaml") {
            continue;
        }
        let mutate = file.starts_with("patch_");
        let set = match sets.entry((folder.to_owned(), mutate)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(alone(catalogue, folder, mutate)?)
            }
        };
        let sibling = |suffix: &str| {
            let stem = path.strip_suffix(".in.yaml").or_else(|| path.strip_suffix(".yaml")).unwrap_or(path);
            texts.get(format!("{stem}{suffix}").as_str()).copied()
        };
        let example = Example { set, text, old: sibling(".old.yaml"), out: sibling(".out.yaml"), now };
        let failure = example.assert(file).err().map(|error| error.to_string());
        outcomes.push(Outcome { name: text.name.to_string(), failure });
    }
    Ok(outcomes)
}

/// A policy set of one policy, bound to everything with its own action.
fn alone(catalogue: &Catalogue, folder: &str, mutate: bool) -> Result<PolicySet, Diagnostics> {
    let mut sources = catalogue.unbound();
    let of_folder = |text: &SourceText| {
        text.name.contains(&format!("/{folder}/")) || text.name.starts_with(&format!("{folder}/"))
    };
    sources.policies.retain(of_folder);
    sources.profile = Some(SourceText::new(
        "<test profile>",
        format!(
            "{{apiVersion: stategate.io/v1alpha1, kind: Profile, metadata: {{name: test}}, spec: {{selfClassify: true}}}}\n\
             ---\n\
             {{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {{name: test}}, spec: {{mutate: {mutate}}}}}\n"
        ),
    ));
    PolicySet::compile(&sources)
}

struct Example<'a> {
    set: &'a PolicySet,
    text: &'a SourceText,
    old: Option<&'a SourceText>,
    out: Option<&'a SourceText>,
    now: jiff::Timestamp,
}

impl Example<'_> {
    fn assert(&self, file: &str) -> anyhow::Result<()> {
        let (requests, inventory) = self.requests()?;
        let decisions: Vec<Decision> =
            requests.iter().map(|request| review(self.set, &inventory, request, self.now)).collect();
        if let Some(failure) = decisions.iter().flat_map(|decision| &decision.failures).next() {
            anyhow::bail!("the policy could not decide: {}", failure.error);
        }
        if decisions.iter().all(|decision| decision.evaluated == 0) {
            anyhow::bail!("the policy was not asked: check kind, operation and class in its `match`");
        }
        let found = strictest(&decisions);
        let says = describe(&decisions);
        match (file.split('_').next().unwrap_or_default(), found) {
            ("pass", None) | ("deny", Some(Action::Deny)) | ("warn", Some(Action::Warn)) => Ok(()),
            ("pass" | "deny" | "warn", _) => anyhow::bail!("{says}"),
            ("patch", _) => self.assert_patch(&requests, &decisions, &inventory),
            _ => {
                anyhow::bail!("an example is named pass_*.yaml, deny_*.yaml, warn_*.yaml or patch_*.in.yaml")
            }
        }
    }

    /// The patched object is the expected one, passes, and gets no further patch.
    fn assert_patch(
        &self,
        requests: &[Request],
        decisions: &[Decision],
        inventory: &Inventory,
    ) -> anyhow::Result<()> {
        let out = self.out.ok_or_else(|| anyhow::anyhow!("there is no .out.yaml beside it"))?;
        let expected = manifests(out)?;
        let [expected] = expected.objects.as_slice() else {
            anyhow::bail!("{} must hold one object", out.name)
        };
        let patched = decisions.iter().find_map(|decision| decision.patch.as_ref());
        let Some(patched) = patched else { anyhow::bail!("nothing was patched") };
        if patched.object != *expected.object {
            let difference = json_patch::diff(&expected.object, &patched.object);
            anyhow::bail!(
                "the patched object differs from {}:\n{}",
                out.name,
                serde_json::to_string_pretty(&difference)?
            );
        }
        for request in requests {
            let again = Request { object: Some(patched.object.clone().into()), ..request.clone() };
            let second = review(self.set, inventory, &again, self.now);
            if second.patch.is_some() {
                anyhow::bail!("the patched object is patched again: the patch is not idempotent");
            }
            if second.strictest().is_some() {
                anyhow::bail!("the patched object does not pass its own policy: {}", describe(&[second]));
            }
        }
        Ok(())
    }

    fn requests(&self) -> anyhow::Result<(Vec<Request>, Inventory)> {
        let manifests = manifests(self.text)?;
        let old = self.old.map(self::manifests).transpose()?;
        let requests: Vec<Request> = manifests
            .objects
            .iter()
            .filter_map(|manifest| {
                if manifest.kind() == "AdmissionReview" {
                    let body = serde_json::to_vec(&*manifest.object).unwrap_or_default();
                    return Some(wire::decode(&body, Phase::Validating).map_err(anyhow::Error::from));
                }
                let same = |old: &&crate::source::manifests::Manifest| {
                    old.identity("default") == manifest.identity("default")
                };
                let before = old.as_ref().and_then(|old| old.objects.iter().find(same));
                manifest.request(self.set.projections(), before, "default", Phase::Both).map(Ok)
            })
            .collect::<Result<_, _>>()?;
        Ok((requests, manifests.inventory()))
    }
}

fn manifests(text: &SourceText) -> Result<Manifests, Diagnostics> {
    let mut manifests = Manifests::default();
    manifests.add(text.name.to_string(), text.text.as_bytes());
    if manifests.errors.is_empty() { Ok(manifests) } else { Err(Diagnostics(manifests.errors)) }
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
