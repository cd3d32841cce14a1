//! What the inventory adds to a request, and which policies cannot judge without it.

use crate::admission::{Operation, Phase, Request};
use crate::decision::{Decision, Finding, Unknown};
use crate::engine::{Document, InputError, Reads, Value as Rego};
use crate::inventory::{Inventory, InventoryRequirements, InventoryView, Related, Subject};
use crate::policy::Action;
use crate::policy::selector::GroupKind;
use crate::policyset::Selected;
use crate::workload::Workload;
use crate::workload::projection::Projection;

/// Joins the inventory to the views of one request.
pub struct InputBuilder<'a> {
    inventory: &'a Inventory,
    kind: GroupKind,
    operation: Operation,
    scaled: bool,
    /// What each policy needs of the inventory and reads of the input.
    asked: Vec<(&'a InventoryRequirements, &'a Reads)>,
}

impl<'a> InputBuilder<'a> {
    pub fn new(inventory: &'a Inventory, request: &Request, projection: &Projection) -> Self {
        let kind = GroupKind { kind: projection.kind.clone(), group: projection.group.clone() };
        let operation = request.operation;
        let scaled = !request.subresource.is_empty();
        Self { inventory, kind, operation, scaled, asked: Vec::new() }
    }

    fn subject<'s>(&self, workload: &'s Workload) -> Subject<'s> {
        Subject { kind: self.kind.clone(), operation: self.operation, scaled: self.scaled, workload }
    }

    /// Sorts out the policies that cannot judge because objects that they need are not known. Nothing is
    /// refused for that, unless a binding says so. What the others read is joined from now on.
    pub fn sort_out(
        &mut self,
        selected: &mut Vec<Selected<'a>>,
        phase: Phase,
        subject: Option<&Workload>,
        decision: &mut Decision,
    ) {
        let subject = subject.map(|workload| self.subject(workload));
        selected.retain(|selected| {
            // Who sets nothing right is not asked in this phase.
            if phase == Phase::Mutating && selected.patching_rule(phase).is_none() {
                return true;
            }
            let needs = &selected.policy.inventory;
            let missing = match &subject {
                _ if needs.is_empty() => return true,
                Some(subject) => InventoryView::new(self.inventory, subject).missing(needs),
                None => self.inventory.lacks(needs),
            };
            if missing.is_empty() {
                return true;
            }
            report(selected, phase, missing, decision);
            false
        });
        self.join(selected.iter().map(|selected| (&selected.policy.inventory, selected.reads())));
    }

    /// No policy can judge, because the object itself is not known: it is of this kind.
    pub fn give_up(
        &self,
        selected: &mut Vec<Selected<'a>>,
        phase: Phase,
        kind: &GroupKind,
        decision: &mut Decision,
    ) {
        selected.drain(..).for_each(|selected| report(&selected, phase, vec![kind.clone()], decision));
    }

    /// What policies with these needs read is joined from now on.
    pub fn join(&mut self, policies: impl Iterator<Item = (&'a InventoryRequirements, &'a Reads)>) {
        self.asked.extend(policies);
    }

    /// Does any of the policies read something at this path of the input?
    pub fn reads(&self, path: &[&str]) -> bool {
        self.asked.iter().any(|(_, reads)| reads.reads(path))
    }

    /// The shared document with these views and what is related to the first that is there.
    pub fn document(
        &self,
        shared: &Document,
        workload: Option<&Workload>,
        old: Option<&Workload>,
    ) -> Result<Document, InputError> {
        let related = match workload.or(old) {
            Some(subject) if self.reads(&["related"]) => {
                let subject = self.subject(subject);
                let sight = InventoryView::new(self.inventory, &subject);
                Related::of(self.inventory, &subject, |key| {
                    self.reads(&["related", key])
                        && sight.sees(key, self.asked.iter().map(|(needs, _)| *needs))
                })
            }
            _ => Related::default(),
        };
        shared.with_views(workload, old, &related)
    }

    /// The input of one policy: the document, without what only others may see.
    pub fn input(&self, document: &Document, selected: &Selected<'_>, subject: Option<&Workload>) -> Rego {
        let hidden = match subject {
            Some(workload) if selected.reads().reads(&["related"]) => {
                let subject = self.subject(workload);
                InventoryView::new(self.inventory, &subject).hidden(&selected.policy.inventory)
            }
            _ => Vec::new(),
        };
        document.for_policy(selected.parameters, &hidden)
    }
}

/// Reports that a policy cannot judge.
pub fn report(selected: &Selected<'_>, phase: Phase, missing: Vec<GroupKind>, decision: &mut Decision) {
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let unknown = Unknown { policy: selected.policy.id.clone(), missing };
    if selected.require_inventory && phase != Phase::Mutating {
        let action = selected.at_most(phase);
        decision.findings.push(Finding::inventory_required(selected.policy, action, &unknown));
    } else if !decision.unknown.contains(&unknown) {
        decision.unknown.push(unknown);
    }
}

impl Selected<'_> {
    /// What happens to a violation in this phase: at admission siblings may still arrive.
    pub fn at_most(&self, phase: Phase) -> Action {
        let milder = self.policy.at_admission.filter(|_| phase == Phase::Validating).unwrap_or(Action::Deny);
        self.action.min(milder)
    }
}
