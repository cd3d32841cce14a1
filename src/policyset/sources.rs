//! The sources that a policy set is compiled from.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::diagnostic::{Diagnostic, SourceText};
use crate::engine::EngineKind;
use crate::policy::Action;
use crate::policy::exception::Authority;

/// The sources that a policy set is compiled from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sources {
    /// What evaluates the rules. Both engines give the same verdicts, so that no digest covers it.
    pub engine: EngineKind,
    /// Texts that passed the checks before, such as those that are part of the binary. They are known by where they lie,
    /// so that no other text is taken for one of them.
    #[serde(skip)]
    pub checked: Vec<Arc<str>>,
    /// Their compiled form, if there is one.
    #[serde(skip)]
    pub compiled: &'static [u8],
    /// Policies: Rego with METADATA.
    pub policies: Vec<SourceText>,
    /// Rego that policies share, without METADATA of its own.
    pub libraries: Vec<SourceText>,
    /// `test_*` rules; loaded only by `stategate test`.
    pub tests: Vec<SourceText>,
    /// Projections, one kind per file.
    pub projections: Vec<SourceText>,
    /// Tables of engines.
    pub engines: Vec<SourceText>,
    /// The profile: a Profile and PolicyBindings.
    pub profile: Option<SourceText>,
    /// Whether the profile may name missing policies and categories, because they were left out.
    pub partial_profile: bool,
    /// The strictest action of the profile's bindings; none: what they say. Below `deny`, they patch nothing, and
    /// refuse nothing if a policy fails.
    pub at_most: Option<Action>,
    /// A user's own PolicyBindings and PolicyExceptions.
    pub bindings: Vec<SourceText>,
    /// The Rego of Policies that a cluster stores; each has been tried.
    pub cluster_policies: Vec<SourceText>,
    /// PolicyBindings and PolicyExceptions that a cluster stores.
    pub documents: Vec<ClusterDocument>,
    /// Whether policies of files are among them that are no part of the binary.
    pub outside: bool,
    /// All modules in directories, including tests, with their paths below the root. A module that is not
    /// listed here, such as one from a cluster resource, may have any package.
    pub module_paths: Vec<(SourceText, String)>,
    /// What whoever loads them should know, such as a file that replaces a shipped one.
    pub warnings: Vec<Diagnostic>,
}

/// A PolicyBinding or PolicyException that a cluster stores. One that cannot be read is no error of the sources: the
/// rest comes into force, and its [`Standing`](super::Standing) says why it does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClusterDocument {
    /// The document as JSON, named by its kind and name.
    pub text: SourceText,
    /// The version of it that was last in force, which counts if this one cannot be read.
    pub last_good: Option<SourceText>,
    /// What it may waive, if it is an exception; none: it is a binding.
    pub exception: Option<Authority>,
}

impl Sources {
    /// Whether all Rego among them passed the checks before.
    pub(super) fn are_checked(&self) -> bool {
        let checked: HashSet<*const u8> = self.checked.iter().map(|text| text.as_ptr()).collect();
        let mut all =
            [&self.policies, &self.cluster_policies, &self.libraries, &self.tests].into_iter().flatten();
        all.all(|text| checked.contains(&text.text.as_ptr()))
    }

    /// SHA-256 over all sources that affect a review, in hex: the same sources give the same verdicts.
    pub fn digest(&self) -> String {
        self.digests().all
    }

    /// The same without what a cluster stores.
    pub fn file_digest(&self) -> String {
        self.digests().files
    }

    /// The sources without what a cluster stores.
    #[must_use]
    pub fn of_files(&self) -> Self {
        Self { cluster_policies: Vec::new(), documents: Vec::new(), ..self.clone() }
    }

    /// All digests; the long texts are read once.
    pub(super) fn digests(&self) -> Digests {
        let read_with = || self.projections.iter().chain(&self.engines);
        let of_files = digest(self.policies.iter().chain(&self.libraries).chain(read_with()));
        let bindings = || self.profile.iter().chain(&self.bindings);
        let documents = |document: &&ClusterDocument| document.exception.is_none();
        let at_most = self.at_most.map_or("", Action::as_str);
        let policies = joined(&[&of_files, &digest(self.cluster_policies.iter())]);
        let of_documents = digest(bindings().chain(self.documents.iter().flat_map(versions)));
        let without_exceptions =
            digest(bindings().chain(self.documents.iter().filter(documents).flat_map(versions)));
        Digests {
            all: joined(&[&policies, &of_documents, at_most]),
            evaluation: joined(&[&policies, &without_exceptions, at_most]),
            files: joined(&[&of_files, &digest(bindings())]),
            projections: digest(read_with()),
            policies,
        }
    }
}

/// SHA-256 over parts of the sources, in hex.
pub(super) struct Digests {
    /// What affects a review.
    pub all: String,
    /// What decides which rules are evaluated on what: everything but the exceptions of a cluster.
    pub evaluation: String,
    /// What a cluster does not store.
    pub files: String,
    /// What other objects are read with: projections and tables of engines.
    pub projections: String,
    /// What is compiled: policies, libraries, projections and tables of engines.
    pub policies: String,
}

/// What may be in force of a document.
fn versions(document: &ClusterDocument) -> impl Iterator<Item = &SourceText> {
    [&document.text].into_iter().chain(&document.last_good)
}

fn digest<'a>(texts: impl Iterator<Item = &'a SourceText>) -> String {
    let mut sorted: Vec<&SourceText> = texts.collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut hash = Sha256::new();
    for text in sorted {
        for part in [&text.name, &text.text] {
            hash.update(part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hex(hash)
}

/// The digest of digests.
fn joined(parts: &[&str]) -> String {
    hex(parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
