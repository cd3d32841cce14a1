//! Examples of policies, and manifests on their way into the pipeline.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::admission::{Request, ReviewMode, wire};
use crate::cli::inventory::DEFAULT_NAMESPACE;
use crate::decision::Decision;
use crate::diagnostic::{Diagnostics, SourceText};
use crate::inventory::Inventory;
use crate::policy::{Patches, Policy};
use crate::policyset::{CompileOptions, PolicySet, Sources};
use crate::review::{EvaluationObserver, review};
use crate::source::bundle::Bundle;
use crate::source::catalogue::Catalogue;
use crate::source::manifests::{Manifest, Manifests};
use crate::source::policies::cluster_of;
use crate::workload::projection::Projections;

/// The time that examples are judged at: a run today and a run next year agree.
const NOW: &str = "2026-01-01T00:00:00Z";

/// Endings of the files that belong to another example.
const BESIDE: [&str; 3] = [".old.yaml", ".inventory.yaml", ".out.yaml"];

/// One file of a policy's `examples/`.
pub struct Example<'a> {
    /// The policy's folder below `policies/`: `storage/storage_class_required`.
    pub folder: &'a str,
    /// Name of the file, whose start says what is expected.
    pub file: &'a str,
    pub text: &'a SourceText,
    /// The object before the change.
    pub old: Option<&'a SourceText>,
    /// Objects of the cluster, as `--inventory` tells them.
    pub cluster: Option<&'a SourceText>,
    /// The object as patches leave it.
    pub out: Option<&'a SourceText>,
}

/// What became of an example.
pub struct ReviewedExample {
    pub requests: Vec<Request>,
    pub inventory: Inventory,
    /// One for each request.
    pub decisions: Vec<Decision>,
}

/// All examples, in the order of their paths.
pub fn all(catalogue: &Catalogue) -> Vec<Example<'_>> {
    let texts: BTreeMap<&str, &SourceText> = catalogue.examples().collect();
    texts
        .iter()
        .filter_map(|(path, text)| {
            let (folder, file) = path.split_once("/examples/")?;
            if BESIDE.iter().any(|ending| file.ends_with(ending)) {
                return None;
            }
            let stem = path.strip_suffix(".in.yaml").or_else(|| path.strip_suffix(".yaml")).unwrap_or(path);
            let sibling = |suffix: &str| texts.get(format!("{stem}{suffix}").as_str()).copied();
            let [old, cluster, out] = BESIDE.map(sibling);
            Some(Example { folder, file, text, old, cluster, out })
        })
        .collect()
}

impl Example<'_> {
    /// `pass`, `deny`, `warn`, `unknown` or `patch`.
    pub fn expects(&self) -> &str {
        self.file.split('_').next().unwrap_or_default()
    }

    /// How it is reviewed. Patches that belong in files are shown as `stategate fix` makes them.
    pub fn mode(&self, set: &PolicySet) -> ReviewMode {
        let mut policies = policies_in(set, self.folder);
        match self.expects() == "patch" && policies.all(|policy| policy.patches == Patches::Fix) {
            true => ReviewMode::Fix,
            false => ReviewMode::MutateAndValidate,
        }
    }

    /// Its requests, and what is known beside: exactly as `check` takes the same files.
    pub fn requests(&self, set: &PolicySet) -> anyhow::Result<(Vec<Request>, Inventory)> {
        let new = manifests(self.text)?;
        let old = self.old.map(manifests).transpose()?.unwrap_or_default();
        let cluster = match self.cluster {
            Some(text) => cluster_of(&manifests(text)?, set.inventory_writer(), DEFAULT_NAMESPACE),
            None => set.inventory_writer().snapshot(),
        };
        let mut bundle = Bundle::over(&cluster, DEFAULT_NAMESPACE);
        bundle.add_reviewed(&new, &old);
        Ok((requests(&new, &old, set.projections())?, bundle.inventory()))
    }

    /// Puts it through the whole pipeline.
    pub fn review(
        &self,
        set: &PolicySet,
        observer: &dyn EvaluationObserver,
    ) -> anyhow::Result<ReviewedExample> {
        let now = now()?;
        let (requests, inventory) = self.requests(set)?;
        let mode = self.mode(set);
        let decisions =
            requests.iter().map(|request| review(set, &inventory, request, mode, now, observer)).collect();
        Ok(ReviewedExample { requests, inventory, decisions })
    }
}

/// The time that examples are judged at.
pub fn now() -> anyhow::Result<jiff::Timestamp> {
    Ok(NOW.parse()?)
}

/// The requests that these objects stand for.
pub fn requests(new: &Manifests, old: &Manifests, projections: &Projections) -> anyhow::Result<Vec<Request>> {
    let requests = new
        .objects
        .iter()
        .filter_map(|manifest| request(manifest, old, projections, DEFAULT_NAMESPACE).transpose());
    requests.collect()
}

/// The request that a document stands for: an AdmissionReview is one, every other object is stored.
/// None if no policy can judge it.
pub fn request(
    manifest: &Manifest,
    old: &Manifests,
    projections: &Projections,
    namespace: &str,
) -> anyhow::Result<Option<Request>> {
    if manifest.kind() == "AdmissionReview" {
        return Ok(Some(wire::decode(&serde_json::to_vec(&*manifest.object)?)?));
    }
    let before = old.objects.iter().find(|old| old.reference(namespace) == manifest.reference(namespace));
    Ok(manifest.request(projections, before, namespace))
}

/// Policy sets of one policy each, bound to everything with its own action. All share the compiled policies.
pub struct SinglePolicySets<'a> {
    all: &'a PolicySet,
    sources: Sources,
    /// By the policy's folder and whether its patches are applied.
    sets: BTreeMap<(String, bool), PolicySet>,
}

impl<'a> SinglePolicySets<'a> {
    /// `all` is compiled from the policies of these sources, which are unbound.
    pub fn new(all: &'a PolicySet, unbound: Sources) -> Self {
        // A folder without a policy has examples that nothing judges.
        let sources = Sources { partial_profile: true, ..unbound };
        Self { all, sources, sets: BTreeMap::new() }
    }

    /// The set of the policy in this folder.
    pub fn get(&mut self, folder: &str, mutate: bool) -> Result<&PolicySet, Diagnostics> {
        match self.sets.entry((folder.to_owned(), mutate)) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let mut ids: Vec<&str> =
                    policies_in(self.all, folder).map(|policy| policy.id.as_str()).collect();
                if ids.is_empty() {
                    ids.push("none");
                }
                let ids = ids.join(", ");
                self.sources.profile = Some(SourceText::new(
                    "<test profile>",
                    format!(
                        "{{apiVersion: stategate.io/v1alpha1, kind: Profile, metadata: {{name: test}}, spec: {{selfClassify: true}}}}\n\
                         ---\n\
                         {{apiVersion: stategate.io/v1alpha1, kind: PolicyBinding, metadata: {{name: test}}, \
                         spec: {{policies: {{ids: [{ids}]}}, mutate: {mutate}}}}}\n"
                    ),
                ));
                let options = CompileOptions { reuse: Some(self.all), ..CompileOptions::default() };
                Ok(entry.insert(PolicySet::compile(&self.sources, options)?))
            }
        }
    }
}

/// The policies in a folder.
fn policies_in<'a>(set: &'a PolicySet, folder: &str) -> impl Iterator<Item = &'a Policy> {
    let inside = format!("{folder}/");
    let beside = format!("/{inside}");
    set.policies().filter(move |policy| policy.source.contains(&beside) || policy.source.starts_with(&inside))
}

fn manifests(text: &SourceText) -> Result<Manifests, Diagnostics> {
    let mut manifests = Manifests::default();
    manifests.add(text.name.to_string(), text.text.as_bytes());
    if manifests.errors.is_empty() { Ok(manifests) } else { Err(Diagnostics(manifests.errors)) }
}

/// The one object of a text.
pub fn one_object(text: &SourceText) -> anyhow::Result<Manifest> {
    match <[Manifest; 1]>::try_from(manifests(text)?.objects) {
        Ok([object]) => Ok(object),
        Err(_) => anyhow::bail!("{} must hold one object", text.name),
    }
}
