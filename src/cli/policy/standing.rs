//! The action and patches of a policy under a profile.

use std::fmt;

use crate::admission::{GroupVersionKind, GroupVersionResource, Request, ReviewMode, UserInfo};
use crate::inventory::{Inventory, InventoryWriter, Record};
use crate::policy::{Action, Policy};
use crate::policyset::PolicySet;
use crate::review::TIER_LABEL;

/// The tiers of a Namespace that profiles distinguish; `None`: without the label.
pub const TIERS: [Option<&str>; 4] = [None, Some("prod"), Some("staging"), Some("dev")];

/// The heading of a tier in a table.
pub fn tier_name(tier: Option<&str>) -> &str {
    tier.unwrap_or("no tier")
}

/// What happens to a violation, and where patches are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// `None`: the policy is not evaluated.
    pub action: Option<Action>,
    /// At admission.
    pub mutates: bool,
    /// In source files only.
    pub fixes: bool,
}

impl Standing {
    /// `deny`, `warn`, `audit`, `off`
    pub fn action(self) -> &'static str {
        self.action.map_or("off", Action::as_str)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action())?;
        if self.mutates { f.write_str(", mutates") } else { Ok(()) }
    }
}

/// What the policy set would do in a Namespace of this tier.
pub fn standing(set: &PolicySet, policy: &Policy, tier: Option<&str>) -> Standing {
    let labels = tier.map(|tier| (TIER_LABEL.to_owned(), tier.to_owned()));
    let mut writer = InventoryWriter::default();
    writer.replace(Record::namespace(NAMESPACE.to_owned(), labels.into_iter().collect()));
    let inventory = writer.snapshot();
    let mut standing = Standing { action: None, mutates: false, fixes: false };
    for request in probes(set, policy) {
        for selected in set.select(&request, &inventory) {
            if selected.policy.id == policy.id {
                standing.action = standing.action.max(Some(selected.enforcement.action));
                standing.mutates |= selected.patch_rule(ReviewMode::Mutate).is_some();
                standing.fixes |= selected.patch_rule(ReviewMode::Fix).is_some();
            }
        }
    }
    standing
}

/// Can an object's own annotation skip the policy?
pub fn skippable(set: &PolicySet, policy: &Policy) -> bool {
    let inventory = Inventory::default();
    probes(set, policy).iter().all(|request| {
        let mut selected = set.select(request, &inventory).into_iter();
        selected.all(|selected| selected.policy.id != policy.id || selected.enforcement.skippable)
    })
}

/// A namespace that no profile names.
const NAMESPACE: &str = "example";

/// Requests that the policy evaluates: of namespaced kinds if there are any, because tiers depend on the
/// Namespace.
fn probes(set: &PolicySet, policy: &Policy) -> Vec<Request> {
    let kinds = || {
        let all = set.projections().iter();
        all.filter(|(kind, _)| policy.matches.kinds.is_empty() || policy.matches.kinds.contains(kind))
    };
    let any_namespaced = kinds().any(|(_, projection)| projection.namespaced);
    kinds()
        .filter(|(_, projection)| projection.namespaced == any_namespaced)
        .flat_map(|(kind, projection)| {
            let version = projection.versions.first().cloned().unwrap_or_default();
            policy.matches.operations.iter().map(move |operation| Request {
                uid: String::new(),
                kind: GroupVersionKind {
                    group: kind.group.clone(),
                    version: version.clone(),
                    kind: kind.kind.clone(),
                },
                resource: GroupVersionResource {
                    group: kind.group.clone(),
                    version: version.clone(),
                    resource: projection.plural.clone(),
                },
                subresource: policy.matches.subresources.first().cloned().unwrap_or_default(),
                request_name: String::new(),
                namespace: if projection.namespaced { NAMESPACE.to_owned() } else { String::new() },
                operation: *operation,
                user: UserInfo::default(),
                object: None,
                old_object: None,
                dry_run: false,
                options: serde_json::Value::Null,
            })
        })
        .collect()
}
