//! The Policies, PolicyBindings and PolicyExceptions of a cluster, added to the sources of a policy set.
//!
//! Each may be faulty by itself, and none may take the others with it: what cannot be loaded is left out, or stays as
//! it was last in force. A Policy is tried in a process of its own first, once for each text.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::manifests::{Manifest, Manifests};
use super::policies::this_program;
use super::sandbox;
use crate::admission::{GroupKind, ObjectRef};
use crate::diagnostic::{Diagnostic, Diagnostics, SourceText};
use crate::policy::metadata;
use crate::policyset::{
    self, API_VERSION, DocumentKind, PolicySet, Sources, Standing, StoredDocument, documents,
};

/// A Policy that ended the process which tried it is tried again after this time: the machine may have been busy.
const TRY_AGAIN: Duration = Duration::from_secs(600);
/// Verdicts on more texts are forgotten: each admission request may bring another one.
const MOST_VERDICTS: usize = 1000;

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
    /// The texts that were last in force.
    last_good: HashMap<ObjectRef, SourceText>,
    /// What the trial of a Policy has shown, by the digest of what was tried.
    verdicts: HashMap<String, Verdict>,
}

#[derive(Clone, Debug)]
struct Verdict {
    at: Instant,
    result: Result<(), Diagnostics>,
}

/// Sources with the documents of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Assembled {
    /// What can be compiled.
    pub sources: Sources,
    /// Policies that must be tried before they can come into force.
    pub untried: Vec<Trial>,
    /// What became of the Policies.
    policies: Vec<(Arc<StoredDocument>, Standing)>,
    /// The others, in the order of the sources.
    others: Vec<Arc<StoredDocument>>,
}

/// A Policy to try, with what it is compiled with.
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

    /// Stategate's own namespace.
    pub fn own_namespace(&self) -> &str {
        &self.own_namespace
    }

    /// Adds the documents of a cluster to sources. What has not been tried yet is left out.
    pub fn assemble(&self, mut sources: Sources, documents: &[Arc<StoredDocument>]) -> Assembled {
        let mut documents = documents.to_vec();
        documents.sort_by_cached_key(|document| document.reference());
        let (policies, others): (Vec<_>, Vec<_>) =
            documents.into_iter().partition(|document| document.kind == DocumentKind::Policy);
        let base = TrialBase::new(&sources);
        let mut assembled = Assembled::default();
        let ids = ids(&sources, !policies.is_empty());
        for policy in policies {
            let standing = match self.checked(&base, &ids, &policy) {
                Checked::Sound => {
                    sources.policies.push(policy.text.clone());
                    Standing::InForce
                }
                other => {
                    let last_good = self.state().last_good.get(&policy.reference()).cloned();
                    let kept = last_good.is_some();
                    sources.policies.extend(last_good);
                    match other {
                        Checked::Faulty(faults) if kept => Standing::LastGood(faults),
                        Checked::Faulty(faults) => Standing::NotInForce(faults),
                        Checked::Untried(trial) => {
                            assembled.untried.push(*trial);
                            Standing::Pending
                        }
                        Checked::Sound => Standing::InForce,
                    }
                }
            };
            sources.outside = true;
            assembled.policies.push((policy, standing));
        }
        let state = self.state();
        let last_good = |document: &StoredDocument| state.last_good.get(&document.reference()).cloned();
        let add = |document: &Arc<StoredDocument>| document.source(&self.own_namespace, last_good(document));
        sources.documents = others.iter().map(add).collect();
        drop(state);
        Assembled { sources, others, ..assembled }
    }

    fn checked(&self, base: &TrialBase, ids: &HashSet<String>, policy: &StoredDocument) -> Checked {
        if let Some(faults) = misplaced(policy, |id| ids.contains(id)) {
            return Checked::Faulty(faults);
        }
        let trial = base.trial(policy);
        match self.verdict(&trial) {
            Some(Ok(())) => Checked::Sound,
            Some(Err(faults)) => Checked::Faulty(faults),
            None => Checked::Untried(Box::new(trial)),
        }
    }

    fn verdict(&self, trial: &Trial) -> Option<Result<(), Diagnostics>> {
        let state = self.state();
        let verdict = state.verdicts.get(&trial.digest)?;
        let lasting = match &verdict.result {
            Ok(()) => true,
            Err(Diagnostics(faults)) => faults.iter().any(|fault| fault.line > 0),
        };
        (lasting || verdict.at.elapsed() < TRY_AGAIN).then(|| verdict.result.clone())
    }

    /// Tries a Policy in a process of its own, one at a time, unless its verdict is known.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn try_out(&self, trial: &Trial) -> Result<(), Diagnostics> {
        let _one_at_a_time = self.trying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.verdict(trial) {
            return known;
        }
        let result = sandbox::run(&this_program(), &trial.sources);
        let mut state = self.state();
        if state.verdicts.len() >= MOST_VERDICTS {
            state.verdicts.clear();
        }
        state.verdicts.insert(trial.digest.clone(), Verdict { at: Instant::now(), result: result.clone() });
        result
    }

    /// What became of every document, now that this set is in force; remembers what is.
    pub fn settle(&self, assembled: &Assembled, set: &PolicySet) -> Vec<(Arc<StoredDocument>, Standing)> {
        let others = assembled.others.iter().cloned().zip(set.standings().iter().cloned());
        let standings: Vec<_> = assembled.policies.iter().cloned().chain(others).collect();
        let mut state = self.state();
        let stored: HashSet<ObjectRef> = standings.iter().map(|(document, _)| document.reference()).collect();
        state.last_good.retain(|reference, _| stored.contains(reference));
        for (document, standing) in &standings {
            if matches!(standing, Standing::InForce | Standing::InPart(_)) {
                state.last_good.insert(document.reference(), document.text.clone());
            }
        }
        standings
    }

    /// What is wrong with a document that is about to be stored; a Policy is tried.
    pub fn faults(&self, base: &Sources, set: &PolicySet, document: &StoredDocument) -> documents::Faults {
        if document.kind != DocumentKind::Policy {
            return documents::faults(document, &self.own_namespace, set);
        }
        let taken = |id: &str| set.policy(id).is_some_and(|policy| *policy.source != *document.text.name);
        let unreadable = match misplaced(document, taken) {
            Some(faults) => Err(faults),
            None => self.try_out(&TrialBase::new(base).trial(document)),
        };
        let unreadable = unreadable.err().map(|Diagnostics(faults)| faults).unwrap_or_default();
        documents::Faults { unreadable, ..documents::Faults::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is complete before anything that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Checked {
    Sound,
    Faulty(Diagnostics),
    Untried(Box<Trial>),
}

/// What every Policy is tried with.
struct TrialBase {
    digest: String,
    sources: Sources,
}

impl TrialBase {
    /// What every policy may use, and a binding that enforces it everywhere.
    fn new(sources: &Sources) -> Self {
        let binding = format!(
            "{{apiVersion: {API_VERSION}, kind: PolicyBinding, metadata: {{name: trial}}, spec: {{mutate: true}}}}"
        );
        let sources = Sources {
            libraries: sources.libraries.clone(),
            projections: sources.projections.clone(),
            engines: sources.engines.clone(),
            bindings: vec![SourceText::new("trial", binding)],
            ..Sources::default()
        };
        Self { digest: sources.digest(), sources }
    }

    /// The Policy alone with that.
    fn trial(&self, policy: &StoredDocument) -> Trial {
        let alone = Sources { policies: vec![policy.text.clone()], ..Sources::default() };
        let digest = format!("{} {}", self.digest, alone.digest());
        Trial { digest, sources: Sources { policies: alone.policies, ..self.sources.clone() } }
    }
}

/// The ids of the policies in these sources, if anyone wants to know.
fn ids(sources: &Sources, wanted: bool) -> HashSet<String> {
    let texts = sources.policies.iter().filter(|_| wanted);
    let id = |text: &SourceText| metadata::read(text, None).ok().map(|policy| policy.id.to_string());
    texts.filter_map(id).collect()
}

/// A Policy that another policy's place is taken by.
fn misplaced(policy: &StoredDocument, taken: impl Fn(&str) -> bool) -> Option<Diagnostics> {
    let misnamed: Option<Diagnostic> = policyset::misnamed(&policy.name, &policy.text);
    let taken = || {
        let message = format!("there is a policy {} already, which is no Policy of the cluster", policy.name);
        let help = "choose another name; a PolicyBinding changes what the shipped policies do";
        taken(&policy.name).then(|| policy.text.error(0, 0, message).with_help(help))
    };
    misnamed.or_else(taken).map(Diagnostics::from)
}

/// Sources with documents, all of which are tried now.
pub fn assemble_all(
    policies: &ClusterPolicies,
    sources: Sources,
    documents: &[Arc<StoredDocument>],
) -> Assembled {
    let assembled = policies.assemble(sources.clone(), documents);
    if assembled.untried.is_empty() {
        return assembled;
    }
    // Whatever they show, it is remembered.
    assembled.untried.iter().for_each(|trial| drop(policies.try_out(trial)));
    policies.assemble(sources, documents)
}

/// The documents among the objects of a cluster.
pub fn documents_of(manifests: &Manifests) -> Vec<Arc<StoredDocument>> {
    let document = |manifest: &Manifest| {
        let kind = DocumentKind::of(&GroupKind::new(manifest.api_version(), manifest.kind()))?;
        Some(Arc::new(StoredDocument::new(kind, &manifest.object)))
    };
    manifests.objects.iter().filter_map(document).collect()
}
