//! `stategate fix`: applies the patches of policies to the files that the objects come from.

mod diff;
mod plan;
mod replace;
mod shown;
mod talk;

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;

use clap::Args;

use super::inventory::{DEFAULT_NAMESPACE, InventoryArguments};
use super::policies::{PolicyArguments, load, warn};
use super::review_pool::ReviewPool;
use super::sources::SourceArguments;
use super::{Exit, colours, print_exactly, say};
use crate::admission::{Request, ReviewMode};
use crate::diagnostic::{Diagnostic, SourceText, did_you_mean};
use crate::inventory::Inventory;
use crate::plain;
use crate::policyset::PolicySet;
use crate::source::destinations::Destinations;
use crate::source::manifests::{Manifest, Manifests, STDIN};
use crate::source::render::RenderOptions;
use crate::source::scopes::Scopes;
use crate::source::tree::Source;
use plan::{Fixed, ReviewedManifest};
use shown::{FileText, files};

#[derive(Args)]
#[command(after_help = "Examples:
  stategate fix shop/                                 print the changes as a diff
  stategate fix shop/ --write                         change the files
  stategate fix shop/pg.yaml | git apply              the same through the diff
  stategate fix shop/ --policy termination-grace-period --write
  stategate fix - --write < pg.yaml > fixed.yaml

A diff masks credentials and spells out invisible characters; if it has any, it cannot be applied,
but --write makes the same changes.

Comments, order, indents and quotes of everything else stay as they are. A change that would also
change something else is reported, not made. The annotation stategate.io/mutated-by, which the
webhook adds, is not written into files.

Exit codes: 0 nothing to fix, or everything written; 1 there is something to fix (the diff shows
it), or a change that cannot be made in its file; 2 something could not be read, evaluated or
written. Findings that only a person can fix do not count: `stategate check` reports them.")]
pub struct Arguments {
    #[command(flatten)]
    sources: SourceArguments,

    /// Change the files; for standard input, print the changed text
    #[arg(short, long)]
    write: bool,

    /// Apply only the patches of this policy; may be given several times
    #[arg(long, value_name = "ID")]
    policy: Vec<String>,

    #[command(flatten)]
    policies: PolicyArguments,

    #[command(flatten)]
    inventory: InventoryArguments,

    /// The namespace of objects that do not name one [default: that of the Argo CD Application or Flux Kustomization
    /// that deploys them, or default]
    #[arg(short, long)]
    namespace: Option<String>,
}

impl Arguments {
    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = policy_set(arguments)?;
    let (mut manifests, destinations) = read(arguments)?;
    let errors = std::mem::take(&mut manifests.errors);
    let Fixes { before, after, mut fixed, refusals, judged } =
        fixes(arguments, set, manifests, &destinations)?;
    let mut exit = if refusals.is_empty() { Exit::Clean } else { Exit::Findings };
    for error in &errors {
        say(&format!("error: {error}\n"));
        exit = Exit::Broken;
    }
    let colours = colours(std::io::stdout().is_terminal());
    let mut unwritten = Vec::new();
    for (before, after) in before.iter().zip(&after) {
        match write(before, after, arguments.write, colours) {
            Ok(changed) => exit = exit.max(changed),
            Err(error) => {
                say(&format!("error: {error:#}\n"));
                unwritten.push(Arc::clone(&before.file.name));
                exit = Exit::Broken;
            }
        }
    }
    fixed.retain(|fixed| !unwritten.contains(&fixed.file));
    talk::fixed(&fixed, arguments.write);
    refusals.iter().for_each(|refusal| say(&format!("warning: {refusal}\n")));
    exit = exit.max(talk::left(&judged));
    if judged.is_empty() && exit != Exit::Broken {
        say("error: nothing to fix: no object of a kind that a policy checks was found\n");
        exit = Exit::Broken;
    }
    Ok(exit)
}

/// The files before and after all patches.
struct Fixes {
    before: Vec<FileText>,
    after: Vec<FileText>,
    fixed: Vec<Fixed>,
    refusals: Vec<Diagnostic>,
    /// The decisions about the files after all patches.
    judged: Vec<ReviewedManifest>,
}

/// More rounds than policies of one bundle ever need to see the patches of each other.
const ROUNDS: usize = 5;

fn fixes(
    arguments: &Arguments,
    set: PolicySet,
    mut manifests: Manifests,
    destinations: &Destinations,
) -> anyhow::Result<Fixes> {
    let cluster = arguments.inventory.source(arguments.namespace()).read(&set)?;
    let pool = ReviewPool::open(set, jiff::Timestamp::now())?;
    let mut judged = review(arguments, &pool, &cluster, &manifests)?;
    let before = files(&manifests, &judged);
    let (mut fixed, mut refusals) = (Vec::new(), Vec::new());
    // A fixed object may reveal what is wrong with another one.
    for _ in 0..ROUNDS {
        let planned = plan::plan(&judged);
        refusals = planned.refusals;
        if planned.fixed.is_empty() {
            break;
        }
        fixed.extend(planned.fixed);
        let mut next = Manifests::default();
        for FileText { file, .. } in files(&manifests, &[]) {
            let text = planned.texts.get(&file.name).map_or(&*file.text, String::as_str);
            next.add(file.name.to_string(), text.as_bytes());
        }
        destinations.apply(&mut next);
        manifests = next;
        judged = review(arguments, &pool, &cluster, &manifests)?;
    }
    Ok(Fixes { before, after: files(&manifests, &judged), fixed, refusals, judged })
}

/// Reads the files that can be changed. The sources of rendered manifests cannot: they are not what is stored.
fn read(arguments: &Arguments) -> anyhow::Result<(Manifests, Destinations)> {
    let tree = arguments.sources.tree(&arguments.sources.project()?, true)?;
    // A namespace that the user gives is that of all of them.
    let destinations = match arguments.namespace {
        Some(_) => Destinations::default(),
        None => Destinations::of_sources(&tree.sources),
    };
    let options = RenderOptions { destinations, ..RenderOptions::default() };
    let mut all = Manifests { errors: tree.errors, ..Manifests::default() };
    for source in &tree.sources {
        if let Source::Rendered(rendered) = source {
            say(&format!(
                "note: {} is rendered: `stategate check` reports what to change in it\n",
                plain::path(&rendered.directory)
            ));
            continue;
        }
        let read = Manifests::of(source, &options);
        all.objects.extend(read.objects);
        all.errors.extend(read.errors);
        all.passed_over.extend(read.passed_over);
        all.foreign += read.foreign;
    }
    if all.objects.is_empty() {
        all.errors.append(&mut all.passed_over);
    }
    Ok((all, options.destinations))
}

fn review(
    arguments: &Arguments,
    pool: &Arc<ReviewPool>,
    cluster: &Inventory,
    manifests: &Manifests,
) -> anyhow::Result<Vec<ReviewedManifest>> {
    let scopes = Scopes::of_manifests(cluster, arguments.namespace(), manifests);
    let reviewed: Vec<(Manifest, Arc<Request>)> = manifests
        .objects
        .iter()
        .filter_map(|manifest| {
            let request = manifest.request(pool.set().projections(), None, arguments.namespace())?;
            Some((manifest.clone(), Arc::new(request)))
        })
        .collect();
    // One review for each file, since what is known differs.
    let of_files = reviewed.chunk_by(|(one, _), (next, _)| one.file.name == next.file.name).map(|file| {
        let path = file.first().map(|(manifest, _)| Path::new(&*manifest.file.name));
        let inventory = scopes.of(path.unwrap_or(Path::new(""))).clone();
        (inventory, file.iter().map(|(_, request)| Arc::clone(request)).collect())
    });
    let of_files: Vec<(Inventory, Vec<Arc<Request>>)> = of_files.collect();
    let review = |(inventory, requests): (Inventory, Vec<Arc<Request>>)| {
        let pool = Arc::clone(pool);
        async move { pool.review(&inventory, &requests, ReviewMode::Fix).await }
    };
    let decisions = pool.each(of_files, review, || {})?.into_iter().flatten();
    let manifest = |((manifest, request), decision)| ReviewedManifest { manifest, request, decision };
    Ok(reviewed.into_iter().zip(decisions).map(manifest).collect())
}

/// The policies of the other flags, restricted by --policy.
fn policy_set(arguments: &Arguments) -> anyhow::Result<PolicySet> {
    let source = arguments.policies.source();
    let mut sources = source.read()?;
    let ids: Vec<String> = arguments.policy.iter().map(|id| id.replace('_', "-")).collect();
    if !ids.is_empty() {
        let binding = serde_json::json!({
            "apiVersion": "stategate.io/v1alpha1",
            "kind": "PolicyBinding",
            "metadata": {"name": "only-these-policies"},
            "spec": {"policies": {"exclude": ids}, "override": true, "action": "off"},
        });
        sources.bindings.push(SourceText::new("<--policy>", binding.to_string()));
    }
    match source.compile(&sources, None) {
        Ok(set) => {
            warn(set.warnings());
            Ok(set)
        }
        // The binding for --policy names a policy that is not there.
        Err(error) if ids.is_empty() => Err(error.into()),
        Err(error) => {
            let all = load(&source)?;
            let is_known = |id: &&String| all.policies().any(|policy| policy.id.as_str() == id.as_str());
            let Some(unknown) = ids.iter().find(|id| !is_known(id)) else { return Err(error.into()) };
            let help = did_you_mean(unknown, all.policies().map(|policy| policy.id.as_str()))
                .unwrap_or_else(|| "`stategate policy list` shows all policies".to_owned());
            anyhow::bail!("there is no policy {unknown}\n  help: {help}");
        }
    }
}

/// Prints the diff of one file, or writes the file.
fn write(before: &FileText, after: &FileText, to_file: bool, colours: bool) -> anyhow::Result<Exit> {
    let (name, old, new) = (&*before.file.name, &*before.file.text, &*after.file.text);
    // Standard input is printed, changed or not.
    if name == STDIN && to_file {
        print_exactly(new)?;
        return Ok(Exit::Clean);
    }
    if old == new {
        return Ok(Exit::Clean);
    }
    if name != STDIN {
        replace::must_be(name.as_ref(), old)?;
    }
    if to_file {
        replace::replace(name.as_ref(), old, new)?;
        return Ok(Exit::Clean);
    }
    let path = match name {
        STDIN => "stdin".to_owned(),
        name => diff::name(name, std::env::current_dir().ok().as_deref()),
    };
    let (diff, exact) = shown::diff(&path, before, after);
    print_exactly(&if colours { diff::coloured(&diff) } else { diff })?;
    if !exact {
        say(&format!(
            "note: {}: this diff cannot be applied: it masks credentials (***) and spells out characters that would act on a terminal; write the changes with --write\n",
            plain::line(name)
        ));
    }
    Ok(Exit::Findings)
}
