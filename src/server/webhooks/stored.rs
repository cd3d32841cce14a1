//! A webhook configuration as it is stored, against what the policy set needs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use super::super::tls::Wanted;
use crate::plain;

/// How many differences of one configuration are told.
const MOST: usize = 8;

/// The fields of a webhook that stategate states. One that a newer API server adds is not among them, and stays.
const STATED: [&str; 12] = [
    "admissionReviewVersions",
    "clientConfig",
    "failurePolicy",
    "matchConditions",
    "matchPolicy",
    "name",
    "namespaceSelector",
    "objectSelector",
    "reinvocationPolicy",
    "rules",
    "sideEffects",
    "timeoutSeconds",
];

/// The object with which a configuration goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// It exists; an ownerReference.
    Exists(Value),
    /// It does not exist; its kind and name.
    Absent(Value),
    /// It may not be read.
    Unknown,
}

/// What a configuration should be, beside what others may add to it: further authorities, labels and annotations.
pub struct Needed<'a> {
    /// The configuration without any `caBundle`.
    pub configuration: &'a Value,
    /// The authorities that each `caBundle` must have; none if others put them there.
    pub authorities: Option<&'a [CertificateDer<'static>]>,
    /// Annotations that it must have.
    pub annotations: &'a BTreeMap<String, String>,
    /// The object with which it goes.
    pub owner: &'a Owner,
    /// The time: authorities of others that have ended do not stay.
    pub now: Timestamp,
}

impl Needed<'_> {
    /// A new one.
    pub fn new_object(&self) -> Value {
        let mut object = json!({});
        self.complete(&mut object);
        object
    }

    /// The configuration to store in the place of this one; none if that is as it should be.
    pub fn replacement(&self, stored: &Value) -> Option<Value> {
        let mut object = stored.clone();
        self.complete(&mut object);
        (object != *stored).then_some(object)
    }

    fn complete(&self, object: &mut Value) {
        let trusted = trusted_by_webhook(object);
        let Some(object) = object.as_object_mut() else { return };
        for key in ["apiVersion", "kind"] {
            object.insert(key.to_owned(), self.configuration.get(key).cloned().unwrap_or_default());
        }
        let Some(metadata) = child(object, "metadata") else { return };
        let needed = self.configuration.get("metadata").and_then(Value::as_object);
        let texts = ["labels", "annotations"];
        for (key, value) in needed.into_iter().flatten().filter(|(key, _)| !texts.contains(&key.as_str())) {
            metadata.insert(key.clone(), value.clone());
        }
        for key in texts {
            let wanted = needed.and_then(|metadata| metadata.get(key)).and_then(Value::as_object);
            let mut wanted = wanted.cloned().unwrap_or_default();
            if key == "annotations" {
                wanted
                    .extend(self.annotations.iter().map(|(key, value)| (key.clone(), value.clone().into())));
            }
            if let Some(all) = child(metadata, key) {
                all.extend(wanted);
            }
        }
        self.own(metadata);
        let stored: BTreeMap<String, Value> = by_name(object.get("webhooks"));
        let mut webhooks = self.webhooks().cloned().collect::<Vec<_>>();
        for webhook in &mut webhooks {
            let name = name(webhook).to_owned();
            let bundle = trusted.get(&name).or_else(|| trusted.values().next());
            let bundle = self.bundle(bundle.map(String::as_str).unwrap_or_default());
            let Some(webhook) = webhook.as_object_mut() else { continue };
            // A webhook that nobody trusts yet must not refuse anything.
            if bundle.is_empty() && self.authorities.is_none() {
                webhook.insert("failurePolicy".to_owned(), "Ignore".into());
            }
            let config = webhook.get_mut("clientConfig").and_then(Value::as_object_mut);
            if let Some(config) = config.filter(|_| !bundle.is_empty()) {
                config.insert("caBundle".to_owned(), bundle.into());
            }
            let more = stored.get(&name).and_then(Value::as_object).into_iter().flatten();
            for (key, value) in more.filter(|(key, _)| !STATED.contains(&key.as_str())) {
                webhook.insert(key.clone(), value.clone());
            }
        }
        object.insert("webhooks".to_owned(), webhooks.into());
    }

    /// Makes the configuration go with its owner, beside whatever else it goes with.
    fn own(&self, metadata: &mut Map<String, Value>) {
        let (Owner::Exists(owner) | Owner::Absent(owner)) = self.owner else { return };
        let stored = metadata.get("ownerReferences").and_then(Value::as_array);
        let same = |one: &&Value| ["kind", "name"].iter().all(|key| one.get(key) == owner.get(key));
        let mut all: Vec<Value> = stored.into_iter().flatten().filter(|one| !same(one)).cloned().collect();
        if matches!(self.owner, Owner::Exists(_)) {
            let before = stored.into_iter().flatten().find(same);
            // What others state of the reference stays.
            let same_version = before.filter(|one| one.get("uid") == owner.get("uid"));
            all.push(same_version.unwrap_or(owner).clone());
        }
        match all.is_empty() {
            true => drop(metadata.remove("ownerReferences")),
            false => drop(metadata.insert("ownerReferences".to_owned(), all.into())),
        }
    }

    /// A `caBundle` with the authorities that it must have, and those that it has.
    fn bundle(&self, stored: &str) -> String {
        let Some(authorities) = self.authorities else { return stored.to_owned() };
        let wanted = Wanted { bundle: authorities, settled: false, now: self.now };
        wanted.bundle_beside(stored).unwrap_or_else(|| stored.to_owned())
    }

    fn webhooks(&self) -> impl Iterator<Item = &Value> {
        self.configuration.get("webhooks").and_then(Value::as_array).into_iter().flatten()
    }
}

/// How a stored configuration differs from what is to be in its place, in words.
pub fn differences(stored: &Value, replacement: &Value) -> Vec<String> {
    let mut told = Vec::new();
    let (stored_webhooks, needed) = (by_name(stored.get("webhooks")), by_name(replacement.get("webhooks")));
    for name in stored_webhooks.keys().filter(|name| !needed.contains_key(*name)) {
        told.push(format!("{} is not needed", plain::line(name)));
    }
    for (name, webhook) in &needed {
        match stored_webhooks.get(name) {
            None => told.push(format!("{name} is missing")),
            Some(before) => {
                told.extend(fields(before, webhook).into_iter().map(|what| format!("{name}: {what}")))
            }
        }
    }
    if told.is_empty() {
        let metadata = fields(
            stored.get("metadata").unwrap_or(&Value::Null),
            replacement.get("metadata").unwrap_or(&Value::Null),
        );
        told.extend(metadata.into_iter().map(|what| format!("metadata: {what}")));
    }
    if told.is_empty() {
        told.push("the order of webhooks differs".to_owned());
    }
    let more = told.len().saturating_sub(MOST);
    told.truncate(MOST);
    if more > 0 {
        told.push(format!("{more} more"));
    }
    told
}

fn by_name(webhooks: Option<&Value>) -> BTreeMap<String, Value> {
    let all = webhooks.and_then(Value::as_array).into_iter().flatten();
    all.map(|webhook| (name(webhook).to_owned(), webhook.clone())).collect()
}

fn name(webhook: &Value) -> &str {
    webhook.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The `caBundle` of each webhook that has one, as it is stored.
fn trusted_by_webhook(configuration: &Value) -> BTreeMap<String, String> {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array);
    let trusted = |webhook: &Value| {
        let bundle = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str)?;
        (!bundle.is_empty()).then(|| (name(webhook).to_owned(), bundle.to_owned()))
    };
    webhooks.into_iter().flatten().filter_map(trusted).collect()
}

/// An object in an object, made if it is missing.
fn child<'v>(object: &'v mut Map<String, Value>, key: &str) -> Option<&'v mut Map<String, Value>> {
    object.entry(key).or_insert_with(|| json!({})).as_object_mut()
}

/// The fields in which two objects differ.
fn fields(stored: &Value, needed: &Value) -> Vec<String> {
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    let all = keys(stored).union(&keys(needed)).cloned().collect::<Vec<_>>();
    let differs = all.into_iter().filter(|key| stored.get(key) != needed.get(key));
    differs
        .map(|key| match (key.as_str(), stored.get(&key), needed.get(&key)) {
            ("rules", Some(stored), Some(needed)) => rules(stored, needed),
            (_, Some(stored), Some(needed)) if !stored.is_object() && !stored.is_array() => {
                format!("{key} is {}, not {needed}", plain::line(&stored.to_string()))
            }
            (_, None, _) => format!("{} is not set", plain::line(&key)),
            (_, _, None) => format!("{} is set, and is not needed", plain::line(&key)),
            _ => format!("{} differs", plain::line(&key)),
        })
        .collect()
}

/// What two lists of rules ask about in different ways.
fn rules(stored: &Value, needed: &Value) -> String {
    let (stored, needed) = (asked(stored), asked(needed));
    let list = |all: Vec<&String>| {
        let shown =
            all.iter().take(4).map(|one| plain::line(one).into_owned()).collect::<Vec<_>>().join(", ");
        let more = all.len().saturating_sub(4);
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let (missing, more): (Vec<_>, Vec<_>) =
        (needed.difference(&stored).collect(), stored.difference(&needed).collect());
    match (missing.is_empty(), more.is_empty()) {
        (true, true) => "rules differ".to_owned(),
        (false, true) => format!("rules do not ask about {}", list(missing)),
        (true, false) => format!("rules ask about {}, too", list(more)),
        (false, false) => {
            format!("rules do not ask about {}, and ask about {}", list(missing), list(more))
        }
    }
}

/// `UPDATE statefulsets.apps` for each combination.
fn asked(rules: &Value) -> BTreeSet<String> {
    let texts = |rule: &Value, key: &str| -> Vec<String> {
        let all = rule.get(key).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut asked = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten().take(100) {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                let resource = if group.is_empty() { resource } else { format!("{resource}.{group}") };
                asked.extend(
                    texts(rule, "operations").iter().map(|operation| format!("{operation} {resource}")),
                );
            }
        }
    }
    asked
}
