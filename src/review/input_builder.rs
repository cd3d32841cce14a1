//! Builds the input documents of one request, and determines which policies cannot be evaluated because other
//! objects are unknown.

use std::borrow::Cow;

use serde_json::Value;

use super::effective_request::EffectiveRequest;
use super::state::RequestState;
use crate::admission::{GroupKind, Request};
use crate::engine::{Input, InputDocument, InputError, InputPart, InputParts, NamespaceObject, Review};
use crate::inventory::{
    Doubts, Inventory, InventoryRequirements, InventoryView, NamespaceLabels, Related, RelatedClaim, Subject,
};
use crate::policyset::Selected;
use crate::workload::Workload;
use crate::workload::projection::Projection;

/// The parts that are the same for all states of a request.
pub struct InputBuilder<'a> {
    inventory: &'a Inventory,
    request: &'a Request,
    kind: GroupKind,
    namespace: Option<&'a NamespaceLabels>,
    now: String,
    /// The kind of the parent, if the parent is unknown: then no policy can be evaluated.
    unknown_parent: Option<&'a GroupKind>,
}

/// What a policy needs of the inventory, and what it reads of the input document.
pub type Needs<'a> = (&'a InventoryRequirements, InputParts);

impl<'a> InputBuilder<'a> {
    pub fn new(
        inventory: &'a Inventory,
        request: &'a EffectiveRequest<'_>,
        projection: &Projection,
        now: jiff::Timestamp,
    ) -> Self {
        let (unknown_parent, request) = (request.unknown_parent(), request.reviewed());
        Self {
            inventory,
            request,
            kind: projection.group_kind(),
            namespace: inventory.namespace_labels(&request.namespace),
            now: now.to_string(),
            unknown_parent,
        }
    }

    fn subject<'s>(&self, state: &RequestState<'_>, workload: &'s Workload) -> Subject<'s> {
        Subject {
            kind: self.kind.clone(),
            operation: state.operation,
            scaled: !self.request.subresource.is_empty(),
            workload,
        }
    }

    fn doubts<'s>(&self, state: &'s RequestState<'_>, subject: &Subject<'_>) -> &'s Doubts {
        state.doubts.get_or_init(|| Doubts::of(self.inventory, subject))
    }

    /// The unknown kinds that a policy needs for this state.
    pub fn missing(&self, state: &RequestState<'_>, requirements: &InventoryRequirements) -> Vec<GroupKind> {
        if let Some(kind) = self.unknown_parent {
            return vec![kind.clone()];
        }
        if requirements.is_empty() {
            return Vec::new();
        }
        match state.subject() {
            Some(workload) => {
                let subject = self.subject(state, workload);
                InventoryView::new(self.inventory, &subject, self.doubts(state, &subject))
                    .missing(requirements)
            }
            None => self.inventory.incomplete(requirements),
        }
    }

    /// The pod templates that the object's controller kept of its earlier revisions.
    pub fn templates(&self) -> &'a [Value] {
        self.inventory.templates(&self.request.reference(self.kind.clone()))
    }

    /// The object's claims, if all of them are known.
    pub fn all_claims(&self, state: &RequestState<'_>) -> Option<Vec<RelatedClaim>> {
        let complete = self.inventory.is_complete(&GroupKind::written("PersistentVolumeClaim"));
        complete.then(|| self.claims(state))
    }

    fn claims(&self, state: &RequestState<'_>) -> Vec<RelatedClaim> {
        let joined =
            |workload| Related::of(self.inventory, &self.subject(state, workload), |key| key == "pvcs").pvcs;
        state.subject().and_then(joined).unwrap_or_default()
    }

    /// The document that these policies share, with everything that at least one of them reads.
    pub fn document(
        &self,
        state: &RequestState<'_>,
        needs: &[Needs<'_>],
    ) -> Result<InputDocument, InputError> {
        let read = needs.iter().fold(InputParts::default(), |all, (_, read)| all.union(*read));
        let related = match state.subject() {
            Some(workload) if read.contains(InputPart::Related) => {
                let subject = self.subject(state, workload);
                let view = InventoryView::new(self.inventory, &subject, self.doubts(state, &subject));
                Related::of(self.inventory, &subject, |key| {
                    read.contains_related(key) && view.sees(key, needs.iter().map(|(needs, _)| *needs))
                })
            }
            _ => Related::default(),
        };
        InputDocument::new(&Input {
            review: read.contains(InputPart::Review).then(|| self.review(state, read)),
            workload: state.workload.as_deref(),
            old_workload: state.old_workload.as_deref(),
            related: read.contains(InputPart::Related).then_some(&related),
            now: read.contains(InputPart::Now).then(|| self.now.clone()),
        })
    }

    fn review<'s>(&'s self, state: &'s RequestState<'_>, read: InputParts) -> Review<'s> {
        fn given<'o>(object: Option<&'o Cow<'_, Value>>) -> Option<&'o Value> {
            object.map(AsRef::as_ref)
        }
        let request = self.request;
        Review {
            uid: &request.uid,
            kind: &request.kind,
            resource: &request.resource,
            sub_resource: &request.subresource,
            name: request.name(),
            namespace: &request.namespace,
            operation: state.operation,
            user_info: &request.user,
            dry_run: request.dry_run,
            options: &request.options,
            object: read.contains(InputPart::Object).then(|| given(state.object.as_ref())),
            old_object: read.contains(InputPart::OldObject).then(|| given(state.old_object.as_ref())),
            namespace_object: self
                .namespace
                .filter(|_| read.contains(InputPart::NamespaceObject))
                .map(|labels| NamespaceObject::new(&request.namespace, labels)),
        }
    }

    /// The document for one policy, without what only others may see.
    pub fn for_policy<'d>(
        &self,
        document: &'d InputDocument,
        state: &RequestState<'_>,
        (requirements, read): Needs<'_>,
    ) -> Cow<'d, InputDocument> {
        let hidden = match state.subject() {
            Some(workload) if read.contains(InputPart::Related) => {
                let subject = self.subject(state, workload);
                InventoryView::new(self.inventory, &subject, self.doubts(state, &subject))
                    .hidden(requirements)
            }
            _ => Vec::new(),
        };
        document.without_related(&hidden)
    }
}

impl<'a> Selected<'a> {
    /// What it needs of the inventory, and what it reads of the input document.
    pub fn needs(&self) -> Needs<'a> {
        (&self.policy.inventory, self.parts())
    }

    /// Whether it compares with the stored object.
    pub fn reads_old(&self) -> bool {
        self.parts().contains(InputPart::OldWorkload) || self.parts().contains(InputPart::OldObject)
    }
}
