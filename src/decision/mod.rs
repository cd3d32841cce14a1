//! The outcome of all policies for one request.

pub mod answer;
mod failure;
pub mod message;
pub mod patch;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

pub use failure::{Failure, FailureCause};

use crate::path::Path;
use crate::plain;
use crate::policy::binding::OnFailure;
use crate::policy::{Action, Policy, PolicyId, Severity};
use crate::workload::Problem;

/// The combined outcome of all policies for one request.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// The violations: the strictest action first, then the most severe.
    pub findings: Vec<Finding>,
    /// Policies that failed to decide.
    pub failures: Vec<Failure>,
    /// The changes to the object, and the policies that made them.
    pub patch: Option<Patched>,
    /// Policies that could not be evaluated because other objects that they need are unknown.
    pub unknown: Vec<Unknown>,
    /// Policies that were not evaluated because they are waived for this object.
    pub waived: Vec<Waived>,
    /// Notes for the user about the request as a whole, such as a skip annotation that does not count.
    pub notes: Vec<String>,
    /// Annotations that confirm a dangerous step, with the step that they name, whether or not it is the one that is
    /// taken.
    pub confirmations: Vec<(String, String)>,
    /// Annotations that the profile believes and by which the object is held to less than what it runs.
    pub lowered_by: Vec<&'static str>,
    /// Number of policies that apply: not ruled out by class, a waiver or unknown inventory.
    pub evaluated: usize,
    /// Why matching policies were not evaluated, or why their findings are only recorded.
    pub exemption: Option<Exemption>,
    /// For a request to a subresource: the kind of its parent object.
    pub parent: Option<String>,
    /// Whether the same request gets the same decision again, until the policy set or the
    /// [version](crate::inventory::InventoryVersion) of the inventory for it changes. False if in doubt.
    pub lasting: bool,
}

impl Decision {
    /// Whether the object may be stored.
    pub fn allowed(&self) -> bool {
        !self.findings.iter().any(|finding| finding.action == Action::Deny) && self.decided()
    }

    /// Whether every policy whose failure refuses the request was able to decide.
    pub fn decided(&self) -> bool {
        !self.failures.iter().any(|failure| failure.on_failure == OnFailure::Deny)
    }

    /// Records a failure. A policy that fails in two states of a request is reported once.
    pub fn fail(&mut self, failure: Failure) {
        if !self.failures.contains(&failure) {
            self.failures.push(failure);
        }
    }

    /// Sorts the findings for display: the strictest action first, then the most severe. A violation found
    /// under several bindings counts once, with the strictest action.
    pub fn sort_and_deduplicate(&mut self) {
        self.findings.sort_by(|a, b| {
            (b.action, b.severity, &a.policy, &a.path, &a.key)
                .cmp(&(a.action, a.severity, &b.policy, &b.path, &b.key))
        });
        let mut seen = BTreeSet::new();
        self.findings.retain(|finding| {
            seen.insert((finding.policy.clone(), finding.key.clone(), finding.message.clone()))
        });
    }

    /// The strictest action among the findings.
    pub fn strictest(&self) -> Option<Action> {
        self.findings.iter().map(|finding| finding.action).max()
    }
}

/// One violation of one policy, with the action that its bindings set.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The policy.
    pub policy: PolicyId,
    /// What the policy requires.
    pub title: Arc<str>,
    /// The severity.
    pub severity: Severity,
    /// The action.
    pub action: Action,
    /// The binding that decided the action: `production/guards`; none for an object that cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Arc<str>>,
    /// The old object already has this violation, so it only warns.
    pub pre_existing: bool,
    /// What is wrong with the object.
    pub message: String,
    /// The path of the fault.
    pub path: Path,
    /// Identifies the violation across versions of the object.
    pub key: String,
    /// How to fix it.
    pub fix: String,
    /// Why it matters, in one sentence.
    pub why: Option<Arc<str>>,
    /// A link to further documentation.
    pub docs: Option<String>,
    /// Additional data from the policy, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// The faulty value may be a credential, so no output shows the text.
    pub sensitive: bool,
}

#[cfg(test)]
impl Finding {
    /// A finding of a test, without any text.
    pub fn sample(policy: &str, action: Action) -> Self {
        Self {
            policy: PolicyId::new(policy),
            title: "".into(),
            severity: Severity::Low,
            action,
            binding: None,
            pre_existing: false,
            message: String::new(),
            path: Path::new(),
            key: String::new(),
            fix: String::new(),
            why: None,
            docs: None,
            details: None,
            sensitive: false,
        }
    }
}

impl Finding {
    /// The reason for the finding, under the label that reports print: `why` with the policy's reason or, if
    /// it gives none, `rule` with its title; followed by a link to further documentation.
    pub fn reason(&self) -> (&'static str, String) {
        let (label, reason) = match &self.why {
            Some(why) => ("why", why),
            None => ("rule", &self.title),
        };
        let docs = self.docs.as_ref().map(|docs| format!(" ({docs})")).unwrap_or_default();
        (label, format!("{reason}{docs}"))
    }

    /// The message, prefixed if the violation was already present before this change.
    pub fn display_message(&self) -> Cow<'_, str> {
        if self.pre_existing {
            Cow::Owned(format!("already present before this change: {}", self.message))
        } else {
            Cow::Borrowed(&self.message)
        }
    }
}

/// A policy that could not be evaluated because what it needs is not known. By itself this refuses nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unknown {
    /// The policy.
    pub policy: PolicyId,
    /// The unknown kinds, such as `StorageClass.storage.k8s.io`, or the placeholders.
    pub missing: Vec<String>,
    /// Whether values are unknown, which nothing has filled in yet, and not other objects.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unfilled: bool,
}

/// A policy that was waived for an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waived {
    /// The policy.
    pub policy: PolicyId,
    /// The name of the exception; None for the object's own skip annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// The reason for the waiver.
    pub reason: String,
}

/// The changes that patches make to the object.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The smallest RFC 6902 difference between the requested and the patched object.
    pub operations: json_patch::Patch,
    /// The policies whose patches these are.
    pub policies: Vec<PolicyId>,
    /// The patched object.
    pub object: Value,
}

/// Why an object is exempt although policies match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Exemption {
    /// It is already being deleted.
    Terminating,
    /// The workload that owns it is reviewed instead.
    Owned,
    /// An operator owns it: findings are only recorded, and nothing is patched.
    OperatorOwned,
}

/// The id of the finding for an object whose fields cannot be read. It belongs to the pipeline, not to the
/// catalogue: an unreadable object cannot be reviewed, so no binding can relax it.
pub const OBJECT_UNREADABLE: &str = "object-unreadable";

/// Makes text safe to display, since users control names and values in objects: one line of limited length.
pub fn shown(text: &str) -> String {
    const LIMIT: usize = 1000;
    // What has so many bytes at most has no more characters.
    let end = (text.len() > LIMIT).then(|| text.char_indices().nth(LIMIT)).flatten().map(|(end, _)| end);
    let kept = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let mut shown = match plain::is_plain_line(kept) {
        true => kept.to_owned(),
        false => plain::line(&kept.replace(char::is_whitespace, " ")).into_owned(),
    };
    if end.is_some() {
        shown.push('…');
    }
    shown
}

impl Exemption {
    /// The text shown to the user.
    pub fn as_str(self) -> &'static str {
        match self {
            Exemption::Terminating => "it is being deleted already",
            Exemption::Owned => "the workload that owns it is checked instead",
            Exemption::OperatorOwned => "an operator owns it, so findings are only recorded",
        }
    }
}

impl Finding {
    /// Lowers the action to a warning if the old object already had the violation: a refusal would also stop
    /// every other change.
    pub fn ratchet(&mut self, known: &BTreeSet<String>) {
        if known.contains(&self.key) {
            self.pre_existing = true;
            self.action = self.action.min(Action::Warn);
        }
    }

    /// The finding for a policy that could not be evaluated because other objects are unknown, if its binding
    /// requires the inventory.
    pub fn inventory_required(policy: &Policy, action: Action, binding: Arc<str>, unknown: &Unknown) -> Self {
        Self {
            policy: policy.id.clone(),
            title: policy.title.clone(),
            severity: policy.severity,
            action,
            binding: Some(binding),
            pre_existing: false,
            message: format!(
                "it could not be evaluated: {}, and a binding says requireInventory",
                unknown.reason()
            ),
            path: Path::new(),
            key: "inventory".to_owned(),
            fix: "give these objects with --inventory FILE, or connect stategate to the cluster".to_owned(),
            why: policy.why.clone(),
            docs: policy.related.first().cloned(),
            details: None,
            sensitive: policy.sensitive,
        }
    }

    /// The finding for an object that cannot be read, or has a field that cannot be read.
    pub fn unreadable(problem: Problem) -> Self {
        let Problem { message, path } = problem;
        let message = shown(&message);
        Self {
            policy: PolicyId::new(OBJECT_UNREADABLE),
            title: "The object can be read".into(),
            severity: Severity::Critical,
            action: Action::Deny,
            binding: None,
            pre_existing: false,
            key: crate::path::pointer(&path),
            message,
            path,
            fix: "write the field as the Kubernetes API defines it".to_owned(),
            why: Some("what cannot be read cannot be checked, so no policy could protect its data".into()),
            docs: None,
            details: None,
            // A password of the wrong type is a password.
            sensitive: true,
        }
    }
}

impl Unknown {
    /// What makes it known.
    pub fn remedy(&self) -> &'static str {
        if self.unfilled { "fill in the manifests before the check" } else { "add it with --inventory" }
    }

    /// The text shown to the user.
    pub fn reason(&self) -> String {
        match self.missing.as_slice() {
            [one] => format!("{one} is not known"),
            many => format!("{} are not known", many.join(", ")),
        }
    }
}
