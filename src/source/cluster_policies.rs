//! The Policies, PolicyBindings and PolicyExceptions of a cluster, added to the sources of a policy set.
//!
//! Each may be faulty by itself, and none may take the others with it: what cannot be loaded is left out, or stays as
//! it was last in force. A Policy, and the parameters of a PolicyBinding, are tried in a process of their own first,
//! once for each text.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::manifests::{Manifest, Manifests};
use super::policies::{PolicySource, this_program};
use super::sandbox;
use crate::admission::{GroupKind, ObjectRef};
use crate::diagnostic::{Diagnostics, SourceText};
use crate::policy::metadata;
use crate::policyset::{
    self, API_VERSION, DocumentKind, PolicySet, Sources, Standing, StoredDocument, documents,
};

/// A verdict that may be due to a busy machine, or to other policies, is found again after this time.
const TRY_AGAIN: Duration = Duration::from_secs(600);
/// Verdicts on more texts are forgotten: each admission request may bring another one.
const MOST_VERDICTS: usize = 1000;
/// PolicyExceptions of one namespace, beyond which the others do not count: who owns a namespace must not be able to
/// slow down everybody.
const MOST_EXCEPTIONS: usize = 5000;

/// The name of the binding in a trial.
const PARAMETERS: &str = "the parameters";

/// What is remembered of the documents of a cluster from one policy set to the next.
#[derive(Debug)]
pub struct ClusterPolicies {
    own_namespace: String,
    state: Mutex<State>,
    /// Held during a trial: each takes a core and much memory.
    trying: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The texts that were last in force, each with the uid of its object.
    last_good: HashMap<ObjectRef, (String, SourceText)>,
    /// What trials have shown, by the digest of what was tried.
    verdicts: HashMap<String, Verdict>,
}

#[derive(Clone, Debug)]
struct Verdict {
    at: Instant,
    result: Result<(), Diagnostics>,
    /// Whether it cannot be another one for the same text.
    lasting: bool,
}

/// Sources with the documents of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Assembled {
    /// What can be compiled.
    pub sources: Sources,
    /// What must be tried before it can come into force.
    pub untried: Vec<Trial>,
    /// The Policies, the trial of each, and the state that it is in.
    policies: Vec<(Arc<StoredDocument>, Trial, Standing)>,
    /// Bindings and exceptions of which nothing is among the sources.
    left_out: Vec<(Arc<StoredDocument>, Standing)>,
    /// Those that are, in the order of the sources, each with its state if it is known already.
    added: Vec<(Arc<StoredDocument>, Option<Standing>)>,
}

/// A Policy, or the parameters of a PolicyBinding, with what it is compiled with.
#[derive(Clone, Debug)]
pub struct Trial {
    digest: String,
    sources: Sources,
}

impl ClusterPolicies {
    /// Nothing is remembered yet. `own_namespace`: where exceptions may waive anything.
    pub fn new(own_namespace: String) -> Self {
        Self { own_namespace, state: Mutex::default(), trying: Mutex::default() }
    }

    /// Adds the documents of a cluster to sources. What has not been tried yet is left out.
    pub fn assemble(&self, mut sources: Sources, documents: &[Arc<StoredDocument>]) -> Assembled {
        let mut documents = documents.to_vec();
        documents.sort_by_cached_key(|document| document.reference());
        let (policies, others): (Vec<_>, Vec<_>) =
            documents.into_iter().partition(|document| document.kind == DocumentKind::Policy);
        let base = TrialBase::new(&sources);
        let tries = |document: &Arc<StoredDocument>| {
            document.kind == DocumentKind::PolicyBinding && document.parameters().is_some()
        };
        let mut known = match policies.is_empty() && !others.iter().any(tries) {
            true => HashMap::new(),
            false => by_id(&sources),
        };
        let taken: HashSet<String> = known.keys().cloned().collect();
        let mut assembled = Assembled::default();
        for policy in policies {
            let trial = base.policy(&policy.text);
            let (text, standing) = match misplaced(&policy, |id| taken.contains(id)) {
                Some(faults) => (None, Standing::NotInForce(faults)),
                None => {
                    let last_good = self.last_good(&policy).filter(|text| {
                        // Other libraries may make a fault of what was good before.
                        !matches!(self.verdict(&base.policy(text)), Some(Err(_)))
                    });
                    self.stand(&policy, &trial, last_good, &mut assembled.untried)
                }
            };
            if let Some(text) = text {
                known.insert(policy.name.clone(), text.clone());
                sources.cluster_policies.push(text);
            }
            assembled.policies.push((policy, trial, standing));
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for document in others {
            let count = counts.entry(document.namespace.clone()).or_default();
            *count += usize::from(document.authority(&self.own_namespace).is_some());
            let (text, standing) = match document.kind {
                DocumentKind::PolicyException
                    if *count > MOST_EXCEPTIONS && document.namespace != self.own_namespace =>
                {
                    let message = format!("only {MOST_EXCEPTIONS} PolicyExceptions of a namespace count");
                    (None, Standing::NotInForce(document.text.error(0, 0, message).into()))
                }
                DocumentKind::PolicyException => (Some(document.text.clone()), Standing::InForce),
                _ => match base.binding(&document, &known) {
                    None => (Some(document.text.clone()), Standing::InForce),
                    Some(trial) => {
                        let last_good = self.last_good(&document);
                        self.stand(&document, &trial, last_good, &mut assembled.untried)
                    }
                },
            };
            let Some(text) = text else {
                assembled.left_out.push((document, standing));
                continue;
            };
            let last_good = self.last_good(&document);
            sources.documents.push(document.source(&self.own_namespace, text, last_good));
            let known = Some(standing).filter(|standing| !matches!(standing, Standing::InForce));
            assembled.added.push((document, known));
        }
        Assembled { sources, ..assembled }
    }

    /// What counts of a document that has to be tried, and its state.
    fn stand(
        &self,
        document: &StoredDocument,
        trial: &Trial,
        last_good: Option<SourceText>,
        untried: &mut Vec<Trial>,
    ) -> (Option<SourceText>, Standing) {
        match self.verdict(trial) {
            Some(Ok(())) => (Some(document.text.clone()), Standing::InForce),
            Some(Err(faults)) => {
                // What is faulty now is not what was good.
                match last_good.filter(|text| text.text != document.text.text) {
                    Some(text) => (Some(text), Standing::LastGood(faults)),
                    None => (None, Standing::NotInForce(faults)),
                }
            }
            None => {
                untried.push(trial.clone());
                (last_good, Standing::Pending)
            }
        }
    }

    fn last_good(&self, document: &StoredDocument) -> Option<SourceText> {
        let state = self.state();
        let (uid, text) = state.last_good.get(&document.reference())?;
        (*uid == document.uid).then(|| text.clone())
    }

    fn verdict(&self, trial: &Trial) -> Option<Result<(), Diagnostics>> {
        let state = self.state();
        let verdict = state.verdicts.get(&trial.digest)?;
        (verdict.lasting || verdict.at.elapsed() < TRY_AGAIN).then(|| verdict.result.clone())
    }

    /// Tries in a process of its own, one at a time, unless the verdict is known.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn try_out(&self, trial: &Trial) -> Result<(), Diagnostics> {
        let _one_at_a_time = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.verdict(trial) {
            return known;
        }
        let result = match sandbox::run(&this_program(), &trial.sources) {
            // What can be read in a binding is found where it is read, and told by its fields.
            Err(Diagnostics(faults)) if faults.iter().all(|fault| &*fault.source == PARAMETERS) => Ok(()),
            result => result,
        };
        let lasting = match &result {
            Ok(()) => true,
            // An error without a place tells how the process ended.
            Err(Diagnostics(faults)) => faults.iter().any(|fault| fault.line > 0),
        };
        self.remember(trial, result.clone(), lasting);
        result
    }

    /// Tries all of them together, and each by itself only if something is wrong. `heard` is called whenever there is
    /// something new.
    pub fn try_all(&self, trials: &[Trial], heard: impl Fn()) {
        if let [_, _, ..] = trials {
            let _one_at_a_time = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
            if sandbox::run(&this_program(), &together(trials)).is_ok() {
                trials.iter().for_each(|trial| self.remember(trial, Ok(()), true));
                return heard();
            }
        }
        for trial in trials {
            // Whatever it shows, it is remembered.
            drop(self.try_out(trial));
            heard();
        }
    }

    fn remember(&self, trial: &Trial, result: Result<(), Diagnostics>, lasting: bool) {
        let mut state = self.state();
        if state.verdicts.len() >= MOST_VERDICTS {
            // Those of what is in force are found again, and cost no more than that.
            state.verdicts.retain(|_, verdict| verdict.lasting && verdict.result.is_ok());
            if state.verdicts.len() >= MOST_VERDICTS {
                state.verdicts.clear();
            }
        }
        state.verdicts.insert(trial.digest.clone(), Verdict { at: Instant::now(), result, lasting });
    }

    /// Compiles what was assembled. A Policy for which the whole cannot be compiled is left out, and remembered: it
    /// must not keep the others from coming into force.
    ///
    /// # Errors
    /// What is wrong, if no Policy of the cluster is to blame.
    pub fn compile(
        &self,
        source: &PolicySource,
        assembled: &mut Assembled,
        previous: Option<&PolicySet>,
    ) -> Result<PolicySet, Diagnostics> {
        loop {
            let errors = match source.compile(&assembled.sources, previous) {
                Ok(set) => return Ok(set),
                Err(errors) => errors,
            };
            let about = |text: &SourceText| {
                let about = errors.0.iter().filter(|error| error.source == text.name).cloned();
                Diagnostics(about.collect())
            };
            let mut left_out = false;
            for (policy, trial, standing) in &mut assembled.policies {
                let faults = about(&policy.text);
                if !faults.0.is_empty()
                    && matches!(standing, Standing::InForce | Standing::LastGood(_) | Standing::Pending)
                {
                    left_out = true;
                    self.remember(trial, Err(faults.clone()), false);
                    assembled.sources.cluster_policies.retain(|text| text.name != policy.text.name);
                    *standing = Standing::NotInForce(faults);
                }
            }
            if !left_out {
                return Err(errors);
            }
        }
    }

    /// The state of every document, now that this set is in force; remembers what is.
    pub fn settle(&self, assembled: &Assembled, set: &PolicySet) -> Vec<(Arc<StoredDocument>, Standing)> {
        let policies =
            assembled.policies.iter().map(|(policy, _, standing)| (Arc::clone(policy), standing.clone()));
        let found = |((document, known), found): (&(Arc<StoredDocument>, Option<Standing>), &Standing)| {
            (Arc::clone(document), known.as_ref().unwrap_or(found).clone())
        };
        let added = assembled.added.iter().zip(set.standings()).map(found);
        let standings: Vec<_> = policies.chain(assembled.left_out.iter().cloned()).chain(added).collect();
        let mut state = self.state();
        let stored: HashSet<ObjectRef> = standings.iter().map(|(document, _)| document.reference()).collect();
        state.last_good.retain(|reference, _| stored.contains(reference));
        for (document, standing) in &standings {
            if matches!(standing, Standing::InForce | Standing::InPart(_)) {
                state.last_good.insert(document.reference(), (document.uid.clone(), document.text.clone()));
            }
        }
        standings
    }

    /// What is wrong with a document that is about to be stored; what has to be tried is tried.
    pub fn faults(&self, base: &Sources, set: &PolicySet, document: &StoredDocument) -> documents::Faults {
        let trials = TrialBase::new(base);
        let tried = |trial: &Trial| {
            let faults = self.try_out(trial).err().map(|Diagnostics(faults)| faults);
            documents::Faults { unreadable: faults.unwrap_or_default(), ..documents::Faults::default() }
        };
        match document.kind {
            DocumentKind::Policy => {
                let taken =
                    |id: &str| set.policy(id).is_some_and(|policy| *policy.source != *document.text.name);
                match misplaced(document, taken) {
                    Some(Diagnostics(unreadable)) => {
                        documents::Faults { unreadable, ..documents::Faults::default() }
                    }
                    None => tried(&trials.policy(&document.text)),
                }
            }
            DocumentKind::PolicyException => documents::faults(document, &self.own_namespace, set),
            DocumentKind::PolicyBinding => {
                let faults = documents::faults(document, &self.own_namespace, set);
                if !faults.unreadable.is_empty() {
                    return faults;
                }
                let mut known = by_id(base);
                known.extend(self.policies_in_force());
                match trials.binding(document, &known) {
                    Some(trial) => {
                        documents::Faults { without_effect: faults.without_effect, ..tried(&trial) }
                    }
                    None => faults,
                }
            }
        }
    }

    /// The Policies that were last in force, by name.
    fn policies_in_force(&self) -> Vec<(String, SourceText)> {
        let state = self.state();
        let policies = state
            .last_good
            .iter()
            .filter(|(object, _)| DocumentKind::of(&object.kind) == Some(DocumentKind::Policy));
        policies.map(|(object, (_, text))| (object.name.clone(), text.clone())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every Policy is tried with.
struct TrialBase {
    digest: String,
    sources: Sources,
}

impl TrialBase {
    /// What every policy may use.
    fn new(sources: &Sources) -> Self {
        let sources = Sources {
            engine: sources.engine,
            libraries: sources.libraries.clone(),
            projections: sources.projections.clone(),
            engines: sources.engines.clone(),
            ..Sources::default()
        };
        Self { digest: sources.digest(), sources }
    }

    fn trial(&self, policies: Vec<SourceText>, parameters: &str) -> Trial {
        // It is enforced everywhere, whatever its own binding matches.
        let binding = format!(
            "{{\"apiVersion\": \"{API_VERSION}\", \"kind\": \"PolicyBinding\", \"metadata\": {{\"name\": \"trial\"}}, \
             \"spec\": {{\"mutate\": true, \"parameters\": {parameters}}}}}"
        );
        let bindings = vec![SourceText::new(PARAMETERS, binding)];
        let alone = Sources { policies, bindings, ..Sources::default() };
        let digest = format!("{} {}", self.digest, alone.digest());
        let sources = Sources { policies: alone.policies, bindings: alone.bindings, ..self.sources.clone() };
        Trial { digest, sources }
    }

    /// A Policy alone.
    fn policy(&self, text: &SourceText) -> Trial {
        self.trial(vec![text.clone()], "{}")
    }

    /// The policies for which a PolicyBinding has parameters, with these; none if there are none.
    fn binding(&self, binding: &StoredDocument, known: &HashMap<String, SourceText>) -> Option<Trial> {
        let mut parameters = binding.parameters()?;
        parameters.retain(|id, _| known.contains_key(id));
        let policies: Vec<SourceText> = parameters.keys().filter_map(|id| known.get(id)).cloned().collect();
        (!policies.is_empty()).then(|| self.trial(policies, &serde_json::Value::from(parameters).to_string()))
    }
}

/// All trials in one.
fn together(trials: &[Trial]) -> Sources {
    let mut all = Sources::default();
    let mut seen = HashSet::new();
    for trial in trials {
        let Sources { policies, bindings, .. } = &trial.sources;
        all.policies.extend(policies.iter().filter(|text| seen.insert(Arc::clone(&text.name))).cloned());
        all.bindings.extend(bindings.iter().cloned());
        all = Sources { policies: all.policies, bindings: all.bindings, ..trial.sources.clone() };
    }
    all
}

/// The policies in these sources by their ids.
fn by_id(sources: &Sources) -> HashMap<String, SourceText> {
    let id = |text: &SourceText| {
        metadata::read(text, None).ok().map(|policy| (policy.id.to_string(), text.clone()))
    };
    sources.policies.iter().filter_map(id).collect()
}

/// A Policy whose id another policy has, or whose name does not fit its package.
fn misplaced(policy: &StoredDocument, taken: impl Fn(&str) -> bool) -> Option<Diagnostics> {
    let taken = || {
        let message = format!("{} is already the id of a shipped policy, or of one from a file", policy.name);
        let help = "choose another name; a PolicyBinding changes what the shipped policies do";
        taken(&policy.name).then(|| policy.text.error(0, 0, message).with_help(help))
    };
    let library = || {
        let (line, package) = metadata::package_line(&policy.text)?;
        let message = "packages below stategate.lib are libraries, which a Policy cannot add";
        package.starts_with("stategate.lib.").then(|| policy.text.error(line, 1, message))
    };
    policyset::misnamed(&policy.name, &policy.text).or_else(library).or_else(taken).map(Diagnostics::from)
}

/// Sources with documents, all of which are tried now.
pub fn assemble_all(
    policies: &ClusterPolicies,
    sources: Sources,
    documents: &[Arc<StoredDocument>],
) -> Assembled {
    let mut assembled = policies.assemble(sources.clone(), documents);
    // Bindings may have parameters for Policies, which are known once these have been tried.
    for _ in 0..2 {
        if assembled.untried.is_empty() {
            break;
        }
        policies.try_all(&assembled.untried, || ());
        assembled = policies.assemble(sources.clone(), documents);
    }
    assembled
}

/// The documents among the objects of a cluster.
pub fn documents_of(manifests: &Manifests) -> Vec<Arc<StoredDocument>> {
    let document = |manifest: &Manifest| {
        let kind = DocumentKind::of(&GroupKind::new(manifest.api_version(), manifest.kind()))?;
        Some(Arc::new(StoredDocument::new(kind, &manifest.object)))
    };
    manifests.objects.iter().filter_map(document).collect()
}
