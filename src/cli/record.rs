//! What `stategate test --record` writes: every question to a rule with its input and its answer, so
//! that a second engine can be asked the same.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use super::example;
use crate::admission::{Phase, Request};
use crate::cli::inventory::DEFAULT_NAMESPACE;
use crate::cli::policies;
use crate::decision::Decision;
use crate::diagnostic::Diagnostics;
use crate::engine::{Reads, RecordedEvaluation, Session, Value, to_value};
use crate::inventory::Inventory;
use crate::path::{self, Path, Segment};
use crate::policyset::PolicySet;
use crate::review::review_in;
use crate::source::catalogue::Catalogue;
use crate::source::manifests::Manifests;

/// Questions and answers, one JSON document a line, none twice.
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
    /// What a session was asked about a file since the last time.
    pub fn add(&mut self, file: &str, session: &mut Session) -> anyhow::Result<()> {
        session.take_record().iter().try_for_each(|asked| self.line(file, None, asked).map(drop))
    }

    /// Takes over what another record holds.
    pub fn join(&mut self, other: Record) {
        self.lines.extend(other.lines);
    }

    /// Is the line new?
    fn line(
        &mut self,
        file: &str,
        without: Option<&str>,
        asked: &RecordedEvaluation,
    ) -> anyhow::Result<bool> {
        let (answer, error) = match &asked.answer {
            Ok(Value::Undefined) => (None, None),
            Ok(answer) => (Some(serde_json::value::to_raw_value(answer)?), None),
            Err(error) => (None, Some(error.as_str())),
        };
        let input = serde_json::value::to_raw_value(&asked.input)?;
        let line = Line { file, rule: &asked.rule, without, input, answer, error };
        Ok(self.lines.insert(serde_json::to_string(&line)? + "\n"))
    }

    /// Every example, asked of its own policy: without patches as a `deny_` example is, and with them.
    /// If it is to be thinned, also with one field less in turn: engines differ first in what is undefined.
    pub fn examples(&mut self, tested: &Catalogue, catalogue: &Catalogue, thin: bool) -> anyhow::Result<()> {
        let mut sets: BTreeMap<(&str, bool), PolicySet> = BTreeMap::new();
        for example in example::all(tested) {
            for mutate in [false, true] {
                let set = match sets.entry((example.folder, mutate)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(example::alone(catalogue, example.folder, mutate)?),
                };
                let (requests, inventory) = example.requests(set)?;
                let mut session = recording(set);
                let mut reads = Reads::default();
                for mut request in requests {
                    if mutate {
                        request.phase = Phase::Fix;
                    }
                    set.select(&request, &inventory)
                        .iter()
                        .for_each(|selected| reads.extend(selected.reads()));
                    ask(&mut session, set, &inventory, request)?;
                }
                for asked in session.take_record() {
                    if self.line(&example.text.name, None, &asked)? && thin {
                        self.thin(&example.text.name, &asked, &reads, &mut session)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks once more for each field of the document that is read, without it. Items of a list are alike:
    /// a field is left out of the first that has it.
    fn thin(
        &mut self,
        file: &str,
        asked: &RecordedEvaluation,
        reads: &Reads,
        session: &mut Session,
    ) -> anyhow::Result<()> {
        let document = serde_json::to_value(&asked.input)?;
        let (mut fields, mut known) = (Vec::new(), BTreeSet::new());
        fields_of(&document, &mut Vec::new(), &mut fields);
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
            let mut thinner = document.clone();
            if let Some((Segment::Key(name), above)) = field.split_last()
                && let Some(serde_json::Value::Object(above)) = path::get_mut(&mut thinner, above)
            {
                above.remove(name.as_ref());
            }
            // The answer is in the record of the session, an error as well.
            let _ = session.evaluate(&asked.rule, to_value(&thinner)?);
            for asked in session.take_record() {
                self.line(file, Some(&path::dotted(&field)), &asked)?;
            }
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
        for profile in catalogue.profiles() {
            let set = policies::compile(&catalogue.sources(&profile).map_err(Diagnostics::from)?)?;
            for path in paths {
                let mut manifests = Manifests::read(std::slice::from_ref(path));
                if !manifests.errors.is_empty() {
                    return Err(Diagnostics(manifests.errors).into());
                }
                let mut inventory = set.inventory().bundle();
                manifests.ship(&mut inventory, &Manifests::default(), DEFAULT_NAMESPACE);
                let mut session = recording(&set);
                let mut judged = 0;
                // One by one, so that the record can name the file of each.
                for manifest in std::mem::take(&mut manifests.objects) {
                    let file = manifest.file.name.clone();
                    let one = Manifests { objects: vec![manifest], ..Manifests::default() };
                    for request in example::requests(&one, &Manifests::default(), set.projections())? {
                        judged += 1;
                        let name = format!("{} ({file}, {profile})", request.display_name());
                        let failures = ask(&mut session, &set, &inventory, request)?.failures;
                        let failure = failures.first();
                        let failure = failure
                            .map(|failure| format!("{} could not decide: {}", failure.policy, failure.error));
                        outcomes.push((name, failure));
                    }
                    self.add(&file, &mut session)?;
                }
                if judged == 0 {
                    anyhow::bail!("{}: holds no object that a policy could judge", path.display());
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

fn recording(set: &PolicySet) -> Session {
    let mut session = set.session();
    session.record();
    session
}

/// Both webhooks at once, whichever of them a recorded AdmissionReview was for; or all patches.
fn ask(
    session: &mut Session,
    set: &PolicySet,
    inventory: &Inventory,
    request: Request,
) -> anyhow::Result<Decision> {
    let phase = if request.phase == Phase::Fix { Phase::Fix } else { Phase::Both };
    let request = Request { phase, ..request };
    Ok(review_in(session, set, inventory, &request, example::now()?))
}
