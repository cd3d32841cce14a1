//! From sources to a report, in two passes: the first builds the inventory, the second reviews the objects.
//! Each pass reads the files, so that only the inventory is kept in memory between them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::doubts;
use super::exceptions::{exceptions, matching};
use super::live::LiveObjects;
use super::maps::maps_of;
use super::misspelt;
use super::previous::PreviousObjects;
use super::reviewed::{hidden, reviewed_object};
use super::tasks::Task;
use super::unfilled;
use crate::admission::{GroupKind, GroupVersionKind, ObjectRef, Request, ReviewMode};
use crate::cli::progress::Progress;
use crate::cli::project::Project;
use crate::cli::review_pool::{ReviewPool, blocking};
use crate::decision::Decision;
use crate::diagnostic::Diagnostic;
use crate::inventory::{Inventory, ResourceRole};
use crate::policyset::PolicySet;
use crate::report::{Remedy, Report, ReviewedObject};
use crate::source::bundle::ScannedObject;
use crate::source::manifests::{Manifest, Manifests, STDIN, nearest};
use crate::source::render::RenderOptions;
use crate::source::tree::{Source, is_manifest};
use crate::source::{broken, guarded};
use crate::yaml::edit::edit;

/// A source, and whether to check it or only to read it into the inventory.
#[derive(Clone)]
pub struct TreeSource {
    pub source: Source,
    pub reviewed: bool,
}

/// What all sources are checked with.
pub struct Pipeline {
    pub pool: Arc<ReviewPool>,
    /// What is known beside the manifests.
    pub cluster: Inventory,
    pub before: PreviousObjects,
    /// The cluster that the manifests are to be applied to.
    pub live: Option<LiveObjects>,
    pub namespace: String,
    pub render: RenderOptions,
    /// Report what `fix` would write?
    pub remedies: bool,
    pub project: Project,
}

/// What the first pass keeps of a source.
pub(super) struct ScannedSource {
    pub source: Source,
    pub reviewed: bool,
    pub objects: Vec<ScannedObject>,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    pub foreign: usize,
    pub passed_over: Vec<Diagnostic>,
    pub placeholder: Option<String>,
    /// Directories that cannot be rendered, with their files.
    pub lost: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// What these files have, as written: it may be what others miss.
    pub unrendered: Vec<(PathBuf, ScannedObject)>,
    /// The kinds of what cannot be read, as far as they are known.
    pub unread: Vec<Option<GroupVersionKind>>,
    /// The old objects that its own ones were, by their files.
    pub followed: Vec<(Arc<str>, ObjectRef)>,
    /// The ConfigMaps that its workloads read, if it is not reviewed itself.
    pub reads: HashSet<ObjectRef>,
    /// What cannot be read a second time, or not at the same price.
    pub kept: Option<Arc<Manifests>>,
}

impl ScannedSource {
    /// A source that cannot be read because of a bug of ours: one error, and nothing to review.
    fn broken(source: Source, reviewed: bool) -> Self {
        let errors = vec![broken(&name_of(&source))];
        let kept = Some(Arc::default());
        Self {
            source,
            reviewed,
            objects: Vec::new(),
            errors,
            warnings: Vec::new(),
            foreign: 0,
            passed_over: Vec::new(),
            placeholder: None,
            lost: BTreeMap::new(),
            unrendered: Vec::new(),
            unread: vec![None],
            followed: Vec::new(),
            reads: HashSet::new(),
            kept,
        }
    }
}

pub(super) fn name_of(source: &Source) -> String {
    match source {
        Source::Stdin => STDIN.to_owned(),
        Source::File(path) => path.display().to_string(),
        Source::Rendered(rendered) => rendered.name(),
    }
}

/// What the second pass makes of a source.
#[derive(Default)]
pub struct ReviewedSource {
    pub report: Report,
    pub(super) unknown_namespaces: Vec<String>,
    /// Positions of the exceptions that waived something.
    pub matched: BTreeSet<usize>,
}

impl Pipeline {
    /// Reviews every manifest as the webhook would, after its own patches.
    pub fn run(self, parts: Vec<TreeSource>) -> anyhow::Result<Report> {
        let pool = Arc::clone(&self.pool);
        let this = Arc::new(self);
        let progress = Progress::start("reading", parts.len());
        let read = |part: TreeSource| {
            let this = Arc::clone(&this);
            blocking(move || {
                let TreeSource { source, reviewed } = part.clone();
                guarded(|| this.scan(part)).unwrap_or_else(|| ScannedSource::broken(source, reviewed))
            })
        };
        let scanned = pool.each(parts, read, || progress.step())?;
        let progress = progress.next("checking", scanned.iter().filter(|scanned| scanned.reviewed).count());

        let mut report = Report { profile: pool.set().profile().to_owned(), ..Report::default() };
        let tasks = this.tasks(scanned, &mut report);
        let review = |task: Task| {
            let this = Arc::clone(&this);
            async move {
                let name = name_of(&task.source);
                match tokio::spawn(this.review(task)).await {
                    Ok(reviewed) => reviewed,
                    Err(_) => {
                        let report = Report { errors: vec![broken(&name)], ..Report::default() };
                        Ok(ReviewedSource { report, ..ReviewedSource::default() })
                    }
                }
            }
        };
        let (mut unknown_namespaces, mut matched) = (BTreeSet::new(), BTreeSet::new());
        for part in pool.each(tasks, review, || progress.step())? {
            report.append(part.report);
            unknown_namespaces.extend(part.unknown_namespaces);
            matched.extend(part.matched);
        }
        progress.end();
        let mut said = HashSet::new();
        report.notes.retain(|note| said.insert(note.clone()));
        report.exceptions = exceptions(&pool, &report, &matched);
        if !unknown_namespaces.is_empty() {
            let names: Vec<String> = unknown_namespaces.into_iter().collect();
            report.notes.push(format!(
                "the labels of namespace {} are not known, so it is checked like one without a tier; add its Namespace to the manifests",
                names.join(", ")
            ));
        }
        Ok(report)
    }

    fn scan(&self, TreeSource { source, reviewed }: TreeSource) -> ScannedSource {
        let mut manifests = Manifests::of(&source, &self.render);
        let unread = manifests.unread();
        manifests.spare(|kind| concerns(self.pool.set(), kind));
        if let Some(live) = self.live.as_ref().filter(|_| reviewed) {
            let wanted = manifests.objects.iter().filter(|manifest| !is_own(manifest));
            let read = |manifest| live.read(manifest, self.pool.set().projections(), &self.namespace);
            let faults: Vec<Diagnostic> = wanted.filter_map(read).collect();
            manifests.errors.extend(faults);
        }
        let mut followed = Vec::new();
        let scan = |manifest: &Manifest| match reviewed {
            true => {
                let before = self.before.of(manifest, &source, &self.namespace);
                let old =
                    |before: &Manifest| (Arc::clone(&before.file.name), before.reference(&self.namespace));
                followed.extend(before.map(old));
                ScannedObject::reviewed(manifest, before, self.cluster.reader(), &self.namespace)
            }
            false => ScannedObject::context(manifest, self.cluster.reader(), &self.namespace),
        };
        let objects = manifests.objects.iter().map(scan).collect();
        let files = manifests.lost.values().flatten().filter(|file| is_manifest(file));
        let unrendered = files.flat_map(|file| {
            let objects = Manifests::read(std::slice::from_ref(file)).objects;
            let scan = |manifest: &Manifest| {
                ScannedObject::context(manifest, self.cluster.reader(), &self.namespace)
            };
            objects.iter().map(|manifest| (file.clone(), scan(manifest))).collect::<Vec<_>>()
        });
        let unrendered = unrendered.collect();
        let mut reads = HashSet::new();
        if !reviewed {
            reads.extend(manifests.objects.iter().flat_map(|manifest| maps_of(manifest, &self.namespace)));
        }
        ScannedSource {
            objects,
            unread,
            followed,
            reads,
            errors: std::mem::take(&mut manifests.errors),
            warnings: std::mem::take(&mut manifests.warnings),
            foreign: manifests.foreign,
            passed_over: std::mem::take(&mut manifests.passed_over),
            placeholder: manifests.placeholder.take(),
            unrendered,
            lost: std::mem::take(&mut manifests.lost),
            kept: (!can_be_read_again(&source)).then(|| Arc::new(manifests)),
            source,
            reviewed,
        }
    }

    async fn review(self: Arc<Self>, task: Task) -> anyhow::Result<ReviewedSource> {
        let Task { source, kept, inventory, scopes, earlier, for_maps } = task;
        let this = Arc::clone(&self);
        let manifests = match kept {
            Some(kept) => kept,
            None => {
                let source = source.clone();
                blocking(move || Arc::new(Manifests::of(&source, &this.render))).await?
            }
        };
        let manifests = match &for_maps {
            Some(maps) => {
                Arc::new(manifests.that(|manifest| !maps_of(manifest, &self.namespace).is_disjoint(maps)))
            }
            None => manifests,
        };
        let old = |manifest: &Manifest| match for_maps {
            Some(_) => manifests.objects.iter().find(|other| std::ptr::eq(*other, manifest)),
            None => self.before.of(manifest, &source, &self.namespace),
        };
        let compared = manifests.objects.iter().filter_map(old);
        let inventory = earlier.known(inventory, &self.namespace, compared);
        let doubtful: Vec<ObjectRef> = inventory.doubtful().cloned().collect();
        let mut reviewed =
            self.review_objects(&manifests, old, inventory, ReviewMode::MutateAndValidate).await?;
        let doubts = doubts::told(&doubtful, &scopes, &manifests, &mut reviewed);
        reviewed.report.notes.extend(doubts);
        Ok(reviewed)
    }

    /// Reviews the objects of one source; `old` is the previous version of each.
    pub async fn review_objects<'a>(
        &self,
        manifests: &'a Manifests,
        old: impl Fn(&Manifest) -> Option<&'a Manifest>,
        inventory: Inventory,
        mode: ReviewMode,
    ) -> anyhow::Result<ReviewedSource> {
        let set = self.pool.set();
        let ReviewedSource { mut report, mut unknown_namespaces, mut matched } = ReviewedSource::default();
        let (mut reviewed, mut requests) = (Vec::new(), Vec::new());
        let mut written = HashSet::new();
        for manifest in manifests.objects.iter().filter(|manifest| !is_own(manifest)) {
            // What is rendered by a loop may be the very same object again: it is told once.
            if !written.insert((&manifest.file.name, &manifest.object)) {
                continue;
            }
            let old = old(manifest);
            let request = manifest.request(set.projections(), old, &self.namespace);
            let kind = GroupVersionKind::new(manifest.api_version(), manifest.kind());
            if request.as_ref().is_none_or(|request| request.kind != kind) {
                report.errors.extend(nearly_known(set, manifest));
            }
            let Some(mut request) = request else {
                pass_over(&mut report, manifest);
                continue;
            };
            if let Some(live) = &self.live {
                live.update(&mut request, &manifest.reference(&self.namespace));
            }
            // A Namespace mostly tells where the others live: it counts as checked if a policy judges it.
            if manifest.kind() == "Namespace" && !set.matches(&request) {
                pass_over(&mut report, manifest);
                misspelt::told_of_context(manifest, &mut report);
                continue;
            }
            if !request.namespace.is_empty() && inventory.namespace_labels(&request.namespace).is_none() {
                unknown_namespaces.push(request.namespace.clone());
            }
            reviewed.push(manifest);
            requests.push(Arc::new(request));
        }
        let decisions = self.pool.review(&inventory, &requests, mode).await?;
        let decisions =
            unfilled::told(self, &inventory, &reviewed, &requests, decisions, mode, &mut report).await?;
        let decisions =
            misspelt::told(self, &inventory, &reviewed, &requests, decisions, mode, &mut report).await?;
        let judged: Vec<(&Manifest, &Decision)> = reviewed.iter().copied().zip(&decisions).collect();
        let hidden = hidden(manifests, &judged);
        for ((manifest, request), decision) in reviewed.iter().zip(&requests).zip(decisions) {
            for finding in &decision.findings {
                if let Some(policy) = set.policy(finding.policy.as_str()) {
                    report.policies.entry(finding.policy.clone()).or_insert_with(|| policy.clone());
                }
            }
            matched.extend(matching(set, request, &decision, self.pool.now()));
            report.objects.push(reviewed_object(&self.project, manifest, request, decision, &hidden));
        }
        if self.remedies {
            self.add_remedies(&inventory, &reviewed, &requests, &mut report.objects, &hidden).await?;
        }
        Ok(ReviewedSource { report, unknown_namespaces, matched })
    }

    /// Tells of each object with findings what `fix` would write into its file.
    async fn add_remedies(
        &self,
        inventory: &Inventory,
        manifests: &[&Manifest],
        requests: &[Arc<Request>],
        objects: &mut [ReviewedObject],
        hidden: &[Range<usize>],
    ) -> anyhow::Result<()> {
        let is_file = |object: &ReviewedObject| object.template.is_none() && &*object.file != STDIN;
        let wrong = |object: &ReviewedObject| !object.findings.is_empty() && is_file(object);
        let all = manifests.iter().zip(requests).zip(objects).filter(|(_, object)| wrong(object));
        let (of, objects): (Vec<_>, Vec<_>) = all.unzip();
        let requests: Vec<Arc<Request>> = of.iter().map(|(_, request)| Arc::clone(request)).collect();
        let decisions = self.pool.review(inventory, &requests, ReviewMode::Fix).await?;
        for (((manifest, _), object), decision) in of.into_iter().zip(objects).zip(decisions) {
            let Some(patched) = decision.patch else { continue };
            // What cannot be written is told by `fix`.
            let before = &manifest.file.text;
            if let Ok(text) = edit(before, &[manifest.change(&patched.object)]) {
                let remedy = Remedy::between(before, &text, patched.policies);
                object.remedy = remedy.filter(|remedy| {
                    let lines = remedy.replaces(before);
                    !hidden.iter().any(|part| part.start < lines.end && lines.start < part.end)
                });
            }
        }
        Ok(())
    }
}

/// May objects of this kind be judged, or matter to others that are?
pub(super) fn concerns(set: &PolicySet, kind: &GroupVersionKind) -> bool {
    let own = kind.group_kind();
    let mut projected = set.projections().iter();
    own.group.ends_with("stategate.io")
        || ResourceRole::of(&own, set.projections()).is_some()
        || projected.any(|(known, _)| known.kind.eq_ignore_ascii_case(&own.kind))
}

/// A pipe gives what it has once, and a program is run once.
fn can_be_read_again(source: &Source) -> bool {
    matches!(source, Source::File(path) if path.is_file())
}

/// Bindings, exceptions and known findings may lie among the manifests.
fn is_own(manifest: &Manifest) -> bool {
    manifest.api_version().starts_with("stategate.io/")
}

/// Counts an object of a kind that no policy judges.
fn pass_over(report: &mut Report, manifest: &Manifest) {
    let kind = GroupKind::new(manifest.api_version(), manifest.kind()).to_string();
    report.not_covered += 1;
    *report.kinds_not_covered.entry(kind).or_default() += 1;
}

/// A misspelt kind, or a version that no API server serves, would pass unchecked.
fn nearly_known(set: &PolicySet, manifest: &Manifest) -> Option<Diagnostic> {
    let kind = GroupVersionKind::new(manifest.api_version(), manifest.kind());
    let right = nearest(&kind, set.projections())?;
    let place = manifest.place(&[]);
    let message =
        format!("{} {} is not a kind that an API server serves", manifest.api_version(), manifest.kind());
    let help = format!("write apiVersion: {}, kind: {}", right.api_version(), right.kind);
    Some(manifest.file.error(place.line, 0, message).with_help(help))
}
