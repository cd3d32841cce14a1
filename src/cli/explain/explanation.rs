//! What holds of a policy in a namespace, and who says so: as JSON, and as a page for a terminal.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::policy::exception::ExceptionState;
use crate::policy::{Action, Severity};
use crate::report::page::{Block, table};

/// Characters of a value in a table; `-o json` has all of it.
const VALUE: usize = 36;

/// What holds of a policy in a namespace.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    pub(super) policy: String,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) namespace: String,
    pub(super) profile: String,
    /// The strictest action of the profile, as `serve --enforcement` sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enforcement: Option<Action>,
    /// None: not known.
    pub(super) namespace_labels: Option<BTreeMap<String, String>>,
    /// Kinds of the policy for which the bindings come to the same.
    pub(super) of_kinds: Vec<OfKinds>,
    pub(super) exceptions: Vec<OneException>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfKinds {
    pub(super) kinds: Vec<String>,
    /// Their objects lie in no namespace.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) cluster_scoped: bool,
    /// Several if the policy is evaluated with several values of its parameters, or objects with certain labels are
    /// judged otherwise; empty: it is not evaluated.
    pub(super) outcomes: Vec<Outcome>,
    /// Why it is not evaluated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) off: Option<String>,
    pub(super) bindings: Vec<OneBinding>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outcome {
    /// The labels of the objects that it is about; absent: all, unless another outcome is about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) objects: Option<String>,
    pub(super) action: Setting,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_admission: Option<Setting>,
    pub(super) on_failure: Setting,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mutate: Option<Setting>,
    pub(super) skippable: Setting,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) require_inventory: Option<Setting>,
    pub(super) parameters: BTreeMap<String, Setting>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) set_by: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneBinding {
    pub(super) binding: String,
    /// Its file and line, or the resource.
    pub(super) place: String,
    pub(super) applies: bool,
    /// What keeps it from applying, or limits it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) limits: Vec<String>,
    pub(super) says: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneException {
    pub(super) exception: String,
    pub(super) place: String,
    pub(super) state: ExceptionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<String>,
    /// Empty: all.
    pub(super) kinds: Vec<String>,
    /// Empty: all.
    pub(super) names: Vec<String>,
    pub(super) reason: String,
}

impl Explanation {
    /// The page for a terminal.
    pub fn page(&self) -> Vec<Block> {
        let mut page = vec![
            Block::Title(format!("{} in namespace {}", self.policy, self.namespace)),
            Block::Text(format!("{}.", self.title.trim_end_matches('.'))),
            Block::List(self.facts()),
        ];
        for of in &self.of_kinds {
            if self.of_kinds.len() > 1 || of.cluster_scoped {
                let where_else = if of.cluster_scoped { ", in no namespace" } else { "" };
                page.push(Block::Heading(format!("{}{where_else}", of.kinds.join(", "))));
            }
            page.extend(of.page());
        }
        page.push(Block::Heading("Exceptions".to_owned()));
        page.push(match self.exceptions.as_slice() {
            [] => Block::Text("None names this policy there.".to_owned()),
            some => Block::Code("", some.iter().map(OneException::lines).collect()),
        });
        page
    }

    fn facts(&self) -> Vec<String> {
        let cap = self.enforcement.map(|most| format!(", at most {most} (--enforcement)"));
        let labels = match &self.namespace_labels {
            Some(labels) => {
                labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
            }
            None => {
                "not known, so bindings match as if there were none; add --inventory FILE or --context NAME"
                    .to_owned()
            }
        };
        vec![
            format!("Profile: {}{}", self.profile, cap.unwrap_or_default()),
            format!("Labels of the namespace: {labels}"),
        ]
    }
}

impl OfKinds {
    fn page(&self) -> Vec<Block> {
        let mut page = Vec::new();
        if let Some(off) = &self.off {
            page.push(Block::Text(format!("Off: the policy is not evaluated there, since {off}.")));
        }
        let head = ["Setting", "Value", "Set by"].map(str::to_owned).to_vec();
        for outcome in &self.outcomes {
            if let Some(labels) = &outcome.objects {
                page.push(Block::Text(format!("Objects with the labels {labels}:")));
            }
            page.push(Block::Code("", table(&head, &outcome.rows())));
        }
        if self.outcomes.iter().filter(|outcome| outcome.objects.is_none()).count() > 1 {
            page.push(Block::Text(
                "The policy is evaluated once for each; the strictest finding counts.".to_owned(),
            ));
        }
        if !self.bindings.is_empty() {
            page.push(Block::Heading("Bindings, in order".to_owned()));
            page.push(Block::Code("", self.bindings.iter().map(OneBinding::lines).collect()));
            let rule = "The strictest of those that apply counts, the first of several; one with override replaces \
                        the profile's.";
            page.push(Block::Text(rule.to_owned()));
        }
        page
    }
}

impl Outcome {
    fn rows(&self) -> Vec<Vec<String>> {
        let settings = [
            ("action", Some(&self.action)),
            ("at admission", self.at_admission.as_ref()),
            ("if the policy fails", Some(&self.on_failure)),
            ("patches", self.mutate.as_ref()),
            ("skip annotation counts", Some(&self.skippable)),
            ("unknown objects refuse", self.require_inventory.as_ref()),
        ];
        let rows = settings.into_iter().filter_map(|(name, setting)| Some(setting?.row(name)));
        let parameters =
            self.parameters.iter().map(|(name, setting)| setting.row(&format!("parameter {name}")));
        rows.chain(parameters).collect()
    }
}

impl Setting {
    pub(super) fn new(value: impl Into<Value>, set_by: impl Into<String>) -> Self {
        Self { value: value.into(), set_by: set_by.into() }
    }

    fn row(&self, name: &str) -> Vec<String> {
        let value = match &self.value {
            Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let shown = match value.char_indices().nth(VALUE) {
            Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
            None => value,
        };
        vec![name.to_owned(), shown, self.set_by.clone()]
    }
}

impl OneBinding {
    fn lines(&self) -> String {
        let state = if self.applies { "applies" } else { "does not" };
        let (limits, says) = (self.limits.join("; "), self.says.join("; "));
        let detail = match (self.applies, limits.as_str()) {
            (_, "") => says,
            (true, _) => format!("{says}; {limits}"),
            // Why it does not comes first.
            (false, _) => format!("{limits}; {says}"),
        };
        format!("{state:<9} {}  ({})\n          {detail}\n", self.binding, self.place)
    }
}

impl OneException {
    fn lines(&self) -> String {
        let end = match (&self.expires_at, self.state) {
            (Some(end), ExceptionState::Expired) => format!("expired {end}: it waives nothing"),
            (Some(end), _) => format!("until {end}"),
            (None, _) => "without an end".to_owned(),
        };
        let of = |list: &[String], all: &str| if list.is_empty() { all.to_owned() } else { list.join(", ") };
        let what = match (self.kinds.as_slice(), self.names.as_slice()) {
            ([], []) => "every object".to_owned(),
            (kinds, names) => format!("{} named {}", of(kinds, "objects"), of(names, "anything")),
        };
        format!("{}, {end}  ({})\n  {what}: {}\n", self.exception, self.place, self.reason)
    }
}
