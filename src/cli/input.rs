//! `stategate input`: the input document that a policy sees.

use std::path::PathBuf;

use clap::Args;

use super::inventory::InventoryArguments;
use super::policies::PolicyArguments;
use super::{Exit, example, print_exactly, say};
use crate::admission::{Request, ReviewMode};
use crate::decision::{Decision, Exemption};
use crate::diagnostic::{Diagnostics, did_you_mean};
use crate::engine::{InputParts, ParameterValues};
use crate::inventory::Inventory;
use crate::plain;
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
    let input = |policies: &[&Policy], read: InputParts, parameters: &ParameterValues| {
        review::input(&set, &inventory, request, policies, read, parameters, now)
            .map_err(|problem| anyhow::anyhow!("{}: {}", request.display_name(), problem.message))
    };
    let all: Vec<&Policy> = set.policies().collect();
    let document = match &arguments.policy {
        None => input(&all, InputParts::ALL, &ParameterValues::new(&serde_json::json!({}))?)?,
        Some(id) => {
            let selected = selected_policy(&set, &inventory, request, id)?;
            let document = input(&[selected.policy], selected.parts(), selected.parameters)?;
            if let Some(reason) = class_mismatch(selected.policy, &document) {
                say(&format!("note: {id} is not evaluated: {reason}\n"));
            }
            let decision =
                review::review(&set, &inventory, request, ReviewMode::MutateAndValidate, now, &Unobserved);
            for note in notes(&decision, selected.policy) {
                say(&format!("note: {note}\n"));
            }
            document
        }
    };
    print_exactly(&(plain::json(&document)? + "\n"))?;
    Ok(Exit::Clean)
}

/// What the pipeline makes of the policy for this request.
fn notes(decision: &Decision, policy: &Policy) -> Vec<String> {
    let (id, mut notes) = (&policy.id, Vec::new());
    if let Some(exemption) = decision.exemption {
        let left_out = match exemption {
            Exemption::OperatorOwned => "",
            Exemption::Owned | Exemption::Terminating if policy.terminating => "",
            Exemption::Owned | Exemption::Terminating => &format!(", so {id} is not evaluated"),
        };
        notes.push(format!("the object is not checked like others: {}{left_out}", exemption.as_str()));
    }
    for waived in decision.waived.iter().filter(|waived| waived.policy == *id) {
        let by = match &waived.exception {
            Some(exception) => format!("the exception {exception}"),
            None => "its own annotation".to_owned(),
        };
        notes.push(format!("the object is exempt from {id} by {by}: {}", waived.reason));
    }
    for unknown in decision.unknown.iter().filter(|unknown| unknown.policy == *id) {
        notes.push(format!("{id} is not evaluated: {}", unknown.reason()));
    }
    let required =
        decision.findings.iter().filter(|finding| finding.policy == *id && finding.key == "inventory");
    notes.extend(required.map(|finding| format!("{id} is not evaluated: {}", finding.message)));
    notes
}

/// Why the pipeline would leave the policy out once it has seen the object.
fn class_mismatch(policy: &Policy, document: &serde_json::Value) -> Option<String> {
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
            ([], _) => anyhow::bail!("{}: contains no object that a policy checks", plain::path(&self.file)),
            (_, _) => anyhow::bail!(
                "{}: contains {} objects; choose one with --object: {}",
                plain::path(&self.file),
                requests.len(),
                all()
            ),
        }
    }
}

/// The policy as this request selects it.
fn selected_policy<'a>(
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
    let policy_id = &policy.id;
    selected.pop().ok_or_else(|| {
        let (operation, name) = (request.operation, request.display_name());
        match set.reviews(policy_id, request) {
            true => anyhow::anyhow!(
                "no binding of profile {} applies {id} to {operation} of {name}: its action is off, or its \
                 namespace, labels or user are excluded",
                set.profile()
            ),
            false => anyhow::anyhow!(
                "{id} does not review {operation} of {name}\n  help: `stategate explain {id}` lists the kinds and \
                 operations that it reviews"
            ),
        }
    })
}
