//! What `stategate test --record` writes: every question to a rule with its input and its answer, so
//! that a second engine can be asked the same.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::value::RawValue;

use super::example;
use crate::admission::{Phase, Request};
use crate::decision::Decision;
use crate::diagnostic::Diagnostics;
use crate::engine::{Asked, Session, Value};
use crate::inventory::Inventory;
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
    input: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Record {
    /// What a session was asked about a file since the last time.
    pub fn add(&mut self, file: &str, session: &mut Session) -> anyhow::Result<()> {
        for Asked { rule, input, answer } in session.take_record() {
            let (answer, error) = match &answer {
                Ok(Value::Undefined) => (None, None),
                Ok(answer) => (Some(serde_json::value::to_raw_value(answer)?), None),
                Err(error) => (None, Some(error.as_str())),
            };
            let input = serde_json::value::to_raw_value(&input)?;
            let line = Line { file, rule: &rule, input, answer, error };
            self.lines.insert(serde_json::to_string(&line)? + "\n");
        }
        Ok(())
    }

    /// Every example, asked of its own policy: without patches as a `deny_` example is, and with them.
    pub fn examples(&mut self, tested: &Catalogue, catalogue: &Catalogue) -> anyhow::Result<()> {
        let mut sets: BTreeMap<(&str, bool), PolicySet> = BTreeMap::new();
        for example in example::all(tested) {
            for mutate in [false, true] {
                let set = match sets.entry((example.folder, mutate)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(example::alone(catalogue, example.folder, mutate)?),
                };
                let (requests, inventory) = example.requests(set)?;
                let mut session = recording(set);
                for request in requests {
                    ask(&mut session, set, &inventory, request)?;
                }
                self.add(&example.text.name, &mut session)?;
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
            let set = PolicySet::compile(&catalogue.sources(&profile).map_err(Diagnostics::from)?)?;
            for path in paths {
                let mut manifests = Manifests::read(std::slice::from_ref(path));
                if !manifests.errors.is_empty() {
                    return Err(Diagnostics(manifests.errors).into());
                }
                let inventory = manifests.inventory();
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

fn recording(set: &PolicySet) -> Session {
    let mut session = set.session();
    session.record();
    session
}

/// Both webhooks at once, whichever of them a recorded AdmissionReview was for.
fn ask(
    session: &mut Session,
    set: &PolicySet,
    inventory: &Inventory,
    request: Request,
) -> anyhow::Result<Decision> {
    let request = Request { phase: Phase::Both, ..request };
    Ok(review_in(session, set, inventory, &request, example::now()?))
}
