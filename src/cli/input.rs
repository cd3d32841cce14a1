//! `stategate input`: the input document that a policy sees.

use std::path::PathBuf;

use clap::Args;

use super::inventory::InventoryArguments;
use super::policies::PolicyArguments;
use super::{Exit, example, print, say};
use crate::admission::{Request, ReviewMode};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::engine::{ParameterValues, Reads};
use crate::inventory::Inventory;
use crate::policy::Policy;
use crate::policyset::{PolicySet, Selected};
use crate::review::{self, Unobserved};
use crate::source::bundle::Bundle;
use crate::source::manifests::Manifests;
use crate::workload::Class;

#[derive(Args)]
#[command(after_help = "Examples:
  stategate input pg.yaml | jq .workload
  stategate input pg.yaml --old before.yaml --policy pvc-no-shrink
  stategate input delete-review.json --policy delete-guard-pvc

Without --policy the document contains everything that a policy may read, and no parameters; with
it, what this policy reads, with its parameters, before any patch. The other objects in FILE are
its inventory, as for `check`; objects of the cluster come with --inventory.

Exit codes: 0 printed, 2 FILE contains no object that policies check, or the policy skips it.")]
pub struct Arguments {
    /// A manifest or an AdmissionReview, as YAML or JSON, or - for standard input
    file: PathBuf,

    #[command(flatten)]
    policies: PolicyArguments,

    /// Print the document of this policy
    #[arg(long, value_name = "ID")]
    policy: Option<String>,

    /// The previous version of the manifest; the document is then that of an update
    #[arg(long, value_name = "FILE")]
    old: Option<PathBuf>,

    #[command(flatten)]
    inventory: InventoryArguments,

    /// Which object, if the file contains several
    #[arg(long, value_name = "KIND/NAME")]
    object: Option<String>,

    /// The namespace of objects that do not name one
    #[arg(short, long, default_value = "default")]
    namespace: String,

    /// The time of the request [default: now]
    #[arg(long, value_name = "RFC 3339")]
    now: Option<jiff::Timestamp>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = arguments.policies.policy_set()?;
    let new = read(std::slice::from_ref(&arguments.file))?;
    let old = read(arguments.old.as_slice())?;
    let cluster = arguments.inventory.source(&arguments.namespace).read(&set)?;
    let mut bundle = Bundle::over(&cluster, &arguments.namespace);
    bundle.add_reviewed(&new, &old);
    let inventory = bundle.inventory();
    let mut requests = Vec::new();
    for manifest in &new.objects {
        requests.extend(example::request(manifest, &old, set.projections(), &arguments.namespace)?);
    }
    let request = arguments.choose(&set, &inventory, &requests)?;
    let now = arguments.now.unwrap_or_else(jiff::Timestamp::now);
    let input = |policies: &[&Policy], reads: &Reads, parameters: &ParameterValues| {
        review::input(&set, &inventory, request, policies, reads, parameters, now)
            .map_err(|problem| anyhow::anyhow!("{}: {}", request.display_name(), problem.message))
    };
    let all: Vec<&Policy> = set.policies().collect();
    let document = match &arguments.policy {
        None => input(&all, &Reads::everything(), &ParameterValues::new(&serde_json::json!({}))?)?,
        Some(id) => {
            let selected = asked(&set, &inventory, request, id)?;
            let document = input(&[selected.policy], selected.reads(), selected.parameters)?;
            if let Some(reason) = not_asked(selected.policy, &document) {
                say(&format!("note: {id} is not evaluated: {reason}\n"));
            }
            let decision =
                review::review(&set, &inventory, request, ReviewMode::MutateAndValidate, now, &Unobserved);
            if let Some(aside) = decision.exemption {
                say(&format!("note: it is not checked like others: {}\n", aside.as_str()));
            }
            for unknown in decision.unknown.iter().filter(|unknown| unknown.policy == selected.policy.id) {
                say(&format!("note: {id} is not evaluated: {}\n", unknown.reason()));
            }
            document
        }
    };
    print(&(serde_json::to_string_pretty(&document)? + "\n"))?;
    Ok(Exit::Clean)
}

/// Why the pipeline would leave the policy out once it has seen the object.
fn not_asked(policy: &Policy, document: &serde_json::Value) -> Option<String> {
    let view = document.get("workload").or_else(|| document.get("old_workload"))?;
    let class: Class = serde_json::from_value(view.get("class")?.clone()).ok()?;
    let wanted = &policy.matches.classes;
    let (class_text, wanted_text) = (view.get("class")?, serde_json::to_string(wanted).ok()?);
    (!wanted.contains(&class)).then(|| format!("its class is {class_text}, and `match` wants {wanted_text}"))
}

fn read(paths: &[PathBuf]) -> Result<Manifests, Diagnostics> {
    let manifests = Manifests::read(paths);
    if manifests.errors.is_empty() { Ok(manifests) } else { Err(Diagnostics(manifests.errors)) }
}

impl Arguments {
    fn choose<'a>(
        &self,
        set: &PolicySet,
        inventory: &Inventory,
        requests: &'a [Request],
    ) -> anyhow::Result<&'a Request> {
        // Of several objects most are there to be looked at beside the one that is judged.
        let judged = |request: &&Request| match &self.policy {
            None => set.matches(request),
            Some(id) => {
                let id = id.replace('_', "-");
                set.select(request, inventory).iter().any(|selected| selected.policy.id.as_str() == id)
            }
        };
        if let ([one], None) = (requests.iter().filter(judged).collect::<Vec<_>>().as_slice(), &self.object) {
            return Ok(one);
        }
        let name = |request: &Request| format!("{}/{}", request.kind.kind, request.name());
        let wanted = |request: &&Request| self.object.as_ref().is_none_or(|wanted| name(request) == *wanted);
        let chosen: Vec<&Request> = requests.iter().filter(wanted).collect();
        let all = || requests.iter().map(name).collect::<Vec<_>>().join(", ");
        match (chosen.as_slice(), &self.object) {
            ([one], _) => Ok(one),
            ([], Some(wanted)) if !requests.is_empty() => {
                anyhow::bail!("there is no {wanted}; there are: {}", all())
            }
            ([], _) => anyhow::bail!("{}: contains no object that a policy checks", self.file.display()),
            (_, _) => anyhow::bail!(
                "{}: contains {} objects; choose one with --object: {}",
                self.file.display(),
                requests.len(),
                all()
            ),
        }
    }
}

/// The policy as this request selects it.
fn asked<'a>(
    set: &'a PolicySet,
    inventory: &Inventory,
    request: &Request,
    id: &str,
) -> anyhow::Result<Selected<'a>> {
    let id = id.replace('_', "-");
    let Some(policy) = set.policy(&id) else {
        let help = did_you_mean(&id, set.policies().map(|policy| policy.id.as_str()));
        let help = help.map(|help| format!("\n  help: {help}")).unwrap_or_default();
        anyhow::bail!("there is no policy {id}{help}");
    };
    let mut selected: Vec<Selected<'_>> = set
        .select(request, inventory)
        .into_iter()
        .filter(|selected| selected.policy.id == policy.id)
        .collect();
    selected.sort_by_key(|selected| selected.enforcement.action);
    if selected.len() > 1 {
        say(&format!(
            "note: bindings evaluate {id} {} times with different parameters; these are the strictest\n",
            selected.len()
        ));
    }
    selected.pop().ok_or_else(|| {
        anyhow::anyhow!(
            "{id} is not evaluated for {} of {} under profile {}\n  help: `stategate explain {id}` says what it checks",
            request.operation,
            request.display_name(),
            set.profile()
        )
    })
}
