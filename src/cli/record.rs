//! What `stategate test --record` writes: every question to a rule with its input and its answer, so
//! that a second engine can be asked the same.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use super::example::{self, SinglePolicySets};
use crate::admission::ReviewMode;
use crate::cli::inventory::DEFAULT_NAMESPACE;
use crate::decision::FailureCause;
use crate::diagnostic::Diagnostics;
use crate::engine::{Answer, EvaluationError, Evaluator, InputDocument, ParameterValues, Reads, RuleId};
use crate::path::{self, Path, Segment};
use crate::plain;
use crate::policy::PolicyId;
use crate::policyset::{CompileOptions, PolicySet};
use crate::review::{Evaluation, EvaluationObserver, review};
use crate::source::bundle::Bundle;
use crate::source::catalogue::Catalogue;
use crate::source::manifests::Manifests;

/// Keeps every evaluation that it observes, with its input and its answer.
#[derive(Default)]
pub struct Recorder(RefCell<Vec<Recorded>>);

struct Recorded {
    rule: RuleId,
    document: InputDocument,
    parameters: ParameterValues,
    answer: Result<Answer, EvaluationError>,
}

impl EvaluationObserver for Recorder {
    fn before(&self, _: &PolicyId) -> Result<(), FailureCause> {
        Ok(())
    }

    fn after(&self, evaluation: &Evaluation<'_>) {
        self.0.borrow_mut().push(Recorded {
            rule: evaluation.rule.clone(),
            document: evaluation.document.clone(),
            parameters: evaluation.parameters.clone(),
            answer: evaluation.answer.clone(),
        });
    }
}

impl Recorder {
    /// What was evaluated since the last time.
    fn take(&self) -> Vec<Recorded> {
        self.0.take()
    }
}

/// Evaluations and their answers, one JSON document a line, none twice.
#[derive(Default)]
pub struct Record {
    lines: BTreeSet<String>,
}

/// One line. An undefined rule has neither answer nor error.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    rule: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    without: Option<&'a str>,
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Record {
    /// What was evaluated on a file since the last time.
    pub fn add(&mut self, file: &str, recorder: &Recorder) -> anyhow::Result<()> {
        recorder.take().iter().try_for_each(|recorded| self.line(file, None, recorded).map(drop))
    }

    /// Takes over what another record holds.
    pub fn join(&mut self, other: Record) {
        self.lines.extend(other.lines);
    }

    /// Is the line new?
    fn line(&mut self, file: &str, without: Option<&str>, recorded: &Recorded) -> anyhow::Result<bool> {
        let (answer, error) = match &recorded.answer {
            Ok(answer) => (answer.to_json()?, None),
            Err(error) => (None, Some(error.to_string())),
        };
        let answer = answer.map(|answer| serde_json::value::to_raw_value(&answer)).transpose()?;
        let input = serde_json::value::to_raw_value(&recorded.document.to_json(&recorded.parameters)?)?;
        let rule = recorded.rule.as_str();
        let line = Line { file, rule, without, input, answer, error: error.as_deref() };
        Ok(self.lines.insert(serde_json::to_string(&line)? + "\n"))
    }

    /// Every example, asked of its own policy: without patches as a `deny_` example is, and with them.
    /// If it is to be thinned, also with one field less in turn: engines differ first in what is undefined.
    pub fn examples(
        &mut self,
        tested: &Catalogue,
        mut sets: SinglePolicySets<'_>,
        thin: bool,
    ) -> anyhow::Result<()> {
        for example in example::all(tested) {
            for mutate in [false, true] {
                let set = sets.get(example.folder, mutate)?;
                let (requests, inventory) = example.requests(set)?;
                let mode = if mutate { ReviewMode::Fix } else { example.mode(set) };
                let (recorder, mut reads) = (Recorder::default(), Reads::default());
                for request in requests {
                    set.select(&request, &inventory)
                        .iter()
                        .for_each(|selected| reads.extend(selected.reads()));
                    review(set, &inventory, &request, mode, example::now()?, &recorder);
                }
                for recorded in recorder.take() {
                    if self.line(&example.text.name, None, &recorded)? && thin {
                        self.thin(&example.text.name, &recorded, &reads, &mut set.evaluator())?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Evaluates once more for each field of the document that is read, without it. Items of a list are alike:
    /// a field is left out of the first that has it.
    fn thin(
        &mut self,
        file: &str,
        recorded: &Recorded,
        reads: &Reads,
        evaluator: &mut Evaluator,
    ) -> anyhow::Result<()> {
        let whole = recorded.document.to_json(&recorded.parameters)?;
        let (mut fields, mut known) = (Vec::new(), BTreeSet::new());
        fields_of(&whole, &mut Vec::new(), &mut fields);
        for field in fields {
            let names: Vec<&str> = field
                .iter()
                .filter_map(|segment| match segment {
                    Segment::Key(name) => Some(name.as_ref()),
                    Segment::Index(_) => None,
                })
                .collect();
            if !reads.reads(&names) || !known.insert(names.join("/")) {
                continue;
            }
            let mut thinner = whole.clone();
            if let Some((Segment::Key(name), above)) = field.split_last()
                && let Some(serde_json::Value::Object(above)) = path::get_mut(&mut thinner, above)
            {
                above.remove(name.as_ref());
            }
            let (document, parameters) = InputDocument::from_json(&thinner)?;
            let rule = recorded.rule.clone();
            let answer = evaluator.evaluate(&rule, &document, &parameters);
            let recorded = Recorded { rule, document, parameters, answer };
            self.line(file, Some(&path::dotted(&field)), &recorded)?;
        }
        Ok(())
    }

    /// Objects that are nobody's example, asked of every policy as each profile binds it. For each object
    /// and profile its name, and why a policy could not decide if one could not.
    pub fn objects(
        &mut self,
        paths: &[PathBuf],
        catalogue: &Catalogue,
    ) -> anyhow::Result<Vec<(String, Option<String>)>> {
        let mut outcomes = Vec::new();
        let mut last = None;
        for profile in catalogue.profiles() {
            let sources = catalogue.sources(&profile).map_err(Diagnostics::from)?;
            let options = CompileOptions { reuse: last.as_ref(), ..CompileOptions::default() };
            let set = last.insert(PolicySet::compile(&sources, options)?);
            for path in paths {
                let mut manifests = Manifests::read(std::slice::from_ref(path));
                if !manifests.errors.is_empty() {
                    return Err(Diagnostics(manifests.errors).into());
                }
                let mut bundle = Bundle::over(&set.inventory_writer().snapshot(), DEFAULT_NAMESPACE);
                bundle.add_reviewed(&manifests, &Manifests::default());
                let (inventory, recorder) = (bundle.inventory(), Recorder::default());
                let mut judged = 0;
                // One by one, so that the record can name the file of each.
                for manifest in std::mem::take(&mut manifests.objects) {
                    let file = manifest.file.name.clone();
                    let one = Manifests { objects: vec![manifest], ..Manifests::default() };
                    for request in example::requests(&one, &Manifests::default(), set.projections())? {
                        judged += 1;
                        let name = format!("{} ({file}, {profile})", request.display_name());
                        let mode = ReviewMode::MutateAndValidate;
                        let decision = review(set, &inventory, &request, mode, example::now()?, &recorder);
                        let failure = decision.failures.first();
                        let failure = failure
                            .map(|failure| format!("{} could not decide: {}", failure.policy, failure.cause));
                        outcomes.push((name, failure));
                    }
                    self.add(&file, &recorder)?;
                }
                if judged == 0 {
                    anyhow::bail!("{}: holds no object that a policy could judge", plain::path(path));
                }
            }
        }
        Ok(outcomes)
    }

    /// One line after the other.
    pub fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect()
    }
}

/// The paths of all fields of objects, whatever they are in.
fn fields_of(value: &serde_json::Value, path: &mut Path, fields: &mut Vec<Path>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                path.push(name.clone().into());
                fields.push(path.clone());
                fields_of(member, path, fields);
                path.pop();
            }
        }
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.into());
                fields_of(item, path, fields);
                path.pop();
            }
        }
        _ => {}
    }
}
