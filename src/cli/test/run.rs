//! One run of all tests and examples, and what of it the next run may keep.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Arguments;
use super::assertion::assert;
use super::complete;
use super::coverage::Reached;
use crate::cli::example::{self, SinglePolicySets};
use crate::cli::record::{Record, Recorder};
use crate::cli::review_pool::watched;
use crate::decision::FailureCause;
use crate::diagnostic::{Diagnostics, SourceText};
use crate::engine::{Coverage, Definition, Evaluator, InputDocument, Module, ParameterValues, Rego, RuleId};
use crate::evaluators::Work;
use crate::plain;
use crate::policy::PolicyId;
use crate::policyset::{CompileOptions, PolicySet, Sources};
use crate::review::{Evaluation, EvaluationObserver};
use crate::source::catalogue::Catalogue;

/// One test, example or requirement, and why it failed.
#[derive(Clone)]
pub struct Outcome {
    /// The package of the policy or library.
    pub package: String,
    /// Its name there: `test_good_passes`, `pass_good.yaml`.
    pub name: String,
    /// Its name in the output.
    pub title: String,
    /// File and line.
    pub place: String,
    pub time: Duration,
    pub failure: Option<String>,
}

/// The result of a run.
pub struct TestRun {
    pub outcomes: Vec<Outcome>,
    pub policies: usize,
    pub tests: usize,
    pub examples: usize,
    /// Objects of `--objects`, once for each profile.
    pub objects: usize,
    pub reached: Reached,
    /// Suites by package: the ids of policies.
    pub ids: BTreeMap<String, String>,
}

impl TestRun {
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some()).count()
    }
}

/// Results that the next run reuses where the texts are the same.
#[derive(Default)]
pub struct TestCache {
    loaded: Option<Arc<PolicySet>>,
    rego: Option<(String, RegoTests)>,
}

/// How many policies were loaded, and how long it took; `None` if they were reused from the last run.
pub type LoadTime = Option<(usize, Duration)>;

/// Runs everything. Calls `loaded` as soon as the policies are loaded.
pub fn all(
    tested: &Catalogue,
    catalogue: &Catalogue,
    arguments: &Arguments,
    kept: &mut TestCache,
    loaded: impl FnOnce(LoadTime),
) -> anyhow::Result<TestRun> {
    let (policies, load_time) = load(catalogue, &tested.tests(), kept)?;
    loaded(load_time);
    let mut record = Record::default();
    let RegoTests { mut outcomes, coverage, definitions } =
        kept.rego_tests(tested, catalogue, arguments.record.is_some().then_some(&mut record))?;
    let tests = outcomes.len();
    let work: Work<anyhow::Result<Vec<Outcome>>> = {
        let (tested, catalogue, policies) = (tested.clone(), catalogue.clone(), Arc::clone(&policies));
        let flags = arguments.policy_flags();
        Arc::new(move |observer| {
            examples(&tested, SinglePolicySets::new(&policies, catalogue.unbound()), &flags, observer)
        })
    };
    outcomes.extend(watched(work)??);
    let examples = outcomes.len() - tests;
    let objects = record.objects(&arguments.objects, catalogue)?;
    let of_objects = objects.len();
    outcomes.extend(objects.into_iter().map(|(name, failure)| Outcome {
        package: "objects".to_owned(),
        title: name.clone(),
        place: name.clone(),
        name,
        time: Duration::ZERO,
        failure,
    }));
    if let Some(file) = &arguments.record {
        record.examples(tested, SinglePolicySets::new(&policies, catalogue.unbound()), arguments.thin)?;
        std::fs::write(file, record.text())
            .with_context(|| format!("{} cannot be written", plain::path(file)))?;
    }
    outcomes.extend(complete::faults(tested, &outcomes)?);
    let reached = Reached::of(tested, &coverage, &definitions);
    outcomes.extend(
        arguments.min_coverage.map(|least| complete::coverage(&reached, least)).into_iter().flatten(),
    );
    let ids = policies.policies().map(|policy| (policy.package.clone(), policy.id.to_string())).collect();
    Ok(TestRun {
        policies: tested.unbound().policies.len(),
        outcomes,
        tests,
        examples,
        objects: of_objects,
        reached,
        ids,
    })
}

/// Compiles the policies as the other subcommands do.
fn load(
    catalogue: &Catalogue,
    tests: &[SourceText],
    kept: &mut TestCache,
) -> Result<(Arc<PolicySet>, LoadTime), Diagnostics> {
    let sources = catalogue.unbound();
    if let Some(set) = kept.loaded.as_ref().filter(|set| set.digest() == sources.digest()) {
        return Ok((Arc::clone(set), None));
    }
    let started = Instant::now();
    let set =
        PolicySet::compile(&sources, CompileOptions::default()).map_err(|Diagnostics(mut errors)| {
            // Whoever broke a policy may have broken its test: both are said in one go.
            let texts: Vec<SourceText> =
                [&sources.policies, &sources.libraries].into_iter().flatten().cloned().collect();
            if let Err(Diagnostics(more)) = Rego::load(&[&texts, tests].concat()) {
                errors.extend(
                    more.into_iter().filter(|error| tests.iter().any(|test| test.name == error.source)),
                );
            }
            Diagnostics(errors)
        })?;
    let (policies, time) = (set.policies().count(), started.elapsed());
    let set = kept.loaded.insert(Arc::new(set));
    Ok((Arc::clone(set), Some((policies, time))))
}

#[derive(Clone)]
struct RegoTests {
    outcomes: Vec<Outcome>,
    coverage: Vec<Coverage>,
    definitions: Vec<Definition>,
}

impl TestCache {
    fn rego_tests(
        &mut self,
        tested: &Catalogue,
        catalogue: &Catalogue,
        record: Option<&mut Record>,
    ) -> anyhow::Result<RegoTests> {
        let Sources { policies, libraries, .. } = catalogue.unbound();
        let tests = tested.tests();
        let texts: Vec<SourceText> =
            policies.into_iter().chain(libraries).chain(tests.iter().cloned()).collect();
        let digest = Sources { policies: texts.clone(), ..Sources::default() }.digest();
        if let Some((_, same)) = self.rego.as_ref().filter(|(known, _)| *known == digest) {
            return Ok(same.clone());
        }
        let recording = record.is_some();
        let work: Work<anyhow::Result<(RegoTests, Record)>> = Arc::new(move |observer| {
            let mut recorded = Record::default();
            let run = rego_tests(&texts, &tests, recording.then_some(&mut recorded), observer)?;
            Ok((run, recorded))
        });
        let (run, recorded) = watched(work)??;
        if let Some(record) = record {
            record.join(recorded);
        }
        self.rego = Some((digest, run.clone()));
        Ok(run)
    }
}

/// Every `test_*` rule of `tests`, the last of `texts`; the others are what they may import.
fn rego_tests(
    texts: &[SourceText],
    tests: &[SourceText],
    mut record: Option<&mut Record>,
    observer: &dyn EvaluationObserver,
) -> anyhow::Result<RegoTests> {
    let (mut rego, definitions) = Rego::load_with_definitions(texts)?;
    let modules = rego.modules().to_vec();
    // What the compiler says of one module holds for all of them: it ends the run, not one test.
    let first = modules
        .iter()
        .zip(texts)
        .find_map(|(module, text)| Some((module.rule(tests_of(module).next()?)?, text)));
    if let Some((rule, text)) = first {
        rego.prepare(&rule, text)?;
    }
    let mut evaluator = rego.covering_evaluator()?;
    let recorder = Recorder::default();
    let of_tests = modules.iter().rev().take(tests.len()).rev();
    let mut outcomes = Vec::new();
    for (module, text) in of_tests.zip(tests) {
        let package = module.package.strip_suffix("_test").unwrap_or(&module.package);
        if tests_of(module).next().is_none() {
            outcomes.push(Outcome {
                package: package.to_owned(),
                name: "test_*".to_owned(),
                title: text.name.to_string(),
                place: text.name.to_string(),
                time: Duration::ZERO,
                failure: Some("the file has no test_* rule".to_owned()),
            });
        }
        for name in tests_of(module) {
            let Some(rule) = module.rule(name) else { continue };
            let started = Instant::now();
            let failure = rego_test(&mut evaluator, &rule, observer, record.is_some().then_some(&recorder));
            let time = started.elapsed();
            let here =
                |definition: &&Definition| *definition.source == *text.name && definition.name == *name;
            let line = definitions.iter().find(here).map_or(1, |definition| definition.first_line);
            let place = format!("{}:{line}", text.name);
            outcomes.push(Outcome {
                package: package.to_owned(),
                name: name.clone(),
                title: format!("{rule} ({place})"),
                place,
                time,
                failure,
            });
        }
        if let Some(record) = record.as_deref_mut() {
            record.add(&text.name, &recorder)?;
        }
    }
    let coverage = evaluator.coverage().map_err(anyhow::Error::msg)?;
    outcomes.iter_mut().for_each(|outcome| say_where(outcome, &definitions, &coverage));
    Ok(RegoTests { outcomes, coverage, definitions })
}

/// The names of a module's tests.
fn tests_of(module: &Module) -> impl Iterator<Item = &String> {
    module.rules.iter().filter(|rule| rule.starts_with("test_"))
}

/// Why a test fails; none if it passes.
fn rego_test(
    evaluator: &mut Evaluator,
    rule: &RuleId,
    observer: &dyn EvaluationObserver,
    recorder: Option<&Recorder>,
) -> Option<String> {
    if let Err(cause) = observer.before(&PolicyId::new(rule.as_str())) {
        return Some(cause.to_string());
    }
    let (document, parameters) = (InputDocument::default(), ParameterValues::undefined());
    let answer = evaluator.evaluate(rule, &document, &parameters);
    let (document, parameters) = (&document, &parameters);
    let evaluation = Evaluation { evaluator, rule, document, parameters, answer: &answer };
    observer.after(&evaluation);
    recorder.into_iter().for_each(|recorder| recorder.after(&evaluation));
    match answer {
        Ok(answer) if answer.is_true() => None,
        Ok(answer) => Some(match answer.to_json() {
            Ok(None) => UNDEFINED.to_owned(),
            Ok(Some(value)) => format!("is {value}, not true"),
            Err(error) => error.to_string(),
        }),
        Err(error) => Some(error.to_string()),
    }
}

/// Of a test that is undefined.
const UNDEFINED: &str = "one of its conditions does not hold";

/// What stands behind the condition that does not hold was not reached.
fn say_where(outcome: &mut Outcome, definitions: &[Definition], coverage: &[Coverage]) {
    let Some(failure) = outcome.failure.as_mut().filter(|failure| *failure == UNDEFINED) else { return };
    let here = |one: &&Definition| format!("{}:{}", one.source, one.first_line) == outcome.place;
    let Some(test) = definitions.iter().find(here) else { return };
    let Some(file) = coverage.iter().find(|file| file.source == test.source) else { return };
    let missed: Vec<String> =
        file.missed.range(test.first_line..=test.last_line).map(ToString::to_string).collect();
    match missed.as_slice() {
        [] => {}
        [line] => *failure += &format!("; line {line} was not reached"),
        lines => *failure += &format!("; lines {} were not reached", lines.join(", ")),
    }
}

/// Every example of the tested directory, reviewed by its own policy alone.
fn examples(
    tested: &Catalogue,
    mut sets: SinglePolicySets<'_>,
    flags: &str,
    observer: &dyn EvaluationObserver,
) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for example in example::all(tested) {
        let set = sets.get(example.folder, example.expects() == "patch")?;
        let started = Instant::now();
        let name = PolicyId::new(&*example.text.name);
        let asserted = assert(&example, set, flags, &NamedExample { name, observer });
        outcomes.push(Outcome {
            package: format!("stategate.{}", example.folder.replace('/', ".")),
            name: example.file.to_owned(),
            title: example.text.name.to_string(),
            place: example.text.name.to_string(),
            time: started.elapsed(),
            failure: asserted.err().map(|error| error.to_string()),
        });
    }
    Ok(outcomes)
}

/// Counts what a policy does against the example that it is evaluated on: if one sticks, the others of its
/// policy still run.
struct NamedExample<'a> {
    name: PolicyId,
    observer: &'a dyn EvaluationObserver,
}

impl EvaluationObserver for NamedExample<'_> {
    fn before(&self, _: &PolicyId) -> Result<(), FailureCause> {
        self.observer.before(&self.name)
    }

    fn after(&self, evaluation: &Evaluation<'_>) {
        self.observer.after(evaluation);
    }
}
