//! Exceptions: time-limited waivers with a reason for named policies and objects, kept apart from the
//! objects.

use std::sync::Arc;

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::binding::{self, NAMESPACES, glob_any};
use super::skip::{REASON_LENGTH, instant};
use super::target::Target;
use super::{Policy, PolicyId, Severity};
use crate::admission::GroupKind;

/// The last days of an exception, in which it is reported: time enough to fix what it waives.
const LAST_DAYS: i64 = 14;

/// The longest list in an exception: who owns a namespace must not be able to make every review slow.
pub const LONGEST_LIST: usize = 100;
/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 1024;

/// A PolicyException.
#[derive(Clone, Debug)]
pub struct Exception {
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`; empty in a file: everywhere.
    pub namespace: String,
    /// What it may waive.
    pub authority: Authority,
    /// `spec`
    pub spec: ExceptionSpec,
    /// The file that it is in, or the resource.
    pub source: Arc<str>,
    /// The line of its name in that file; 0 for a resource.
    pub line: usize,
}

/// What an exception may waive, by whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// A file, given by whoever runs stategate: any policy, for the objects of its namespace, or for all objects
    /// if it has none.
    File,
    /// A resource in stategate's own namespace: any policy, for any object.
    OwnNamespace,
    /// A resource in another namespace, given by whoever owns that: policies below critical, for objects that lie
    /// in it.
    OtherNamespace,
}

/// How far an exception is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExceptionState {
    /// It counts.
    Active,
    /// It counts, and ends within 14 days.
    Expiring,
    /// It has ended: it waives nothing.
    Expired,
}

impl ExceptionState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Active, Self::Expiring, Self::Expired];

    /// `active`, `expiring`, `expired`
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
        }
    }
}

/// `spec` of a PolicyException.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExceptionSpec {
    /// The policies it waives.
    #[schemars(length(min = 1, max = LONGEST_LIST))]
    pub policies: Vec<PolicyId>,
    /// The objects it applies to.
    #[serde(rename = "match")]
    pub matches: ExceptionMatch,
    /// Why.
    #[schemars(length(min = REASON_LENGTH, max = LONGEST_REASON))]
    pub reason: String,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it expires: a time, or a date, at whose end in UTC it expires. From then on every front end ignores
    /// it and reports it.
    #[serde(default, deserialize_with = "end")]
    #[schemars(schema_with = "end_schema")]
    pub expires_at: Option<jiff::Timestamp>,
}

fn end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<jiff::Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let wrong = || {
        de::Error::custom(format!(
            "{text:?} is neither a date (2027-01-31) nor a time with its zone (2027-01-31T12:00:00Z)"
        ))
    };
    instant(&text).map(Some).ok_or_else(wrong)
}

fn end_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "date"},
        {"type": "null"},
    ]})
}

/// `spec.match` of an exception: all keys must agree; an empty list leaves the choice open.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExceptionMatch {
    /// Kinds (`Kind.group`, or `Kind` for the core group). A request to a subresource has its parent's kind.
    #[schemars(length(max = LONGEST_LIST))]
    pub kinds: Vec<GroupKind>,
    /// Names (`*` and `?` allowed).
    #[schemars(length(max = LONGEST_LIST))]
    pub names: Vec<String>,
    /// Names of namespaces (`*` allowed): for exceptions that count in all of them, which are those of files that
    /// name no namespace, and those in stategate's own namespace. Cluster-scoped objects then do not match.
    #[schemars(length(max = LONGEST_LIST), inner(regex(pattern = NAMESPACES)))]
    pub namespaces: Vec<String>,
}

impl Exception {
    /// `shop/legacy`, or `legacy` if it applies everywhere.
    pub fn display_name(&self) -> String {
        match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        }
    }

    /// The only namespace whose objects it can reach; empty if it may reach others, too.
    pub fn only_namespace(&self) -> &str {
        match self.authority {
            Authority::File | Authority::OtherNamespace => &self.namespace,
            Authority::OwnNamespace => "",
        }
    }

    /// Whether it has the authority to waive this policy.
    pub fn may_waive(&self, policy: &Policy) -> bool {
        self.authority != Authority::OtherNamespace || policy.severity < Severity::Critical
    }

    /// Where it is: its file and line, or the resource.
    pub fn place(&self) -> String {
        binding::place(&self.source, self.line)
    }

    /// How far it is from its end.
    pub fn state(&self, now: jiff::Timestamp) -> ExceptionState {
        state(self.spec.expires_at, now)
    }

    /// Whether it may match an object in this namespace; empty: one that lies in none.
    pub fn reaches(&self, namespace: &str) -> bool {
        let (only, namespaces) = (self.only_namespace(), &self.spec.matches.namespaces);
        (only.is_empty() || only == namespace)
            && (namespaces.is_empty() || !namespace.is_empty() && glob_any(namespaces, namespace))
    }

    /// Does it waive this policy for this object?
    pub fn waives(&self, policy: &Policy, target: &Target<'_>, now: jiff::Timestamp) -> bool {
        let matches = &self.spec.matches;
        self.reaches(&target.namespace)
            && !(self.authority == Authority::OtherNamespace && target.is_cluster_scoped())
            && self.may_waive(policy)
            && self.spec.policies.contains(&policy.id)
            && self.state(now) != ExceptionState::Expired
            && (matches.kinds.is_empty() || matches.kinds.contains(target.kind))
            && (matches.names.is_empty() || glob_any(&matches.names, &target.request.name()))
    }
}

/// How far an exception with this end is from it.
pub fn state(end: Option<jiff::Timestamp>, now: jiff::Timestamp) -> ExceptionState {
    let Some(end) = end else { return ExceptionState::Active };
    match end.duration_since(now) {
        left if left <= SignedDuration::ZERO => ExceptionState::Expired,
        left if left <= SignedDuration::from_hours(24 * LAST_DAYS) => ExceptionState::Expiring,
        _ => ExceptionState::Active,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(text: &str) -> Exception {
        let spec = format!(
            r#"{{"policies": ["a"], "match": {{}}, "reason": "until the migration", "expiresAt": "{text}"}}"#
        );
        Exception {
            name: "legacy".to_owned(),
            namespace: String::new(),
            authority: Authority::File,
            spec: serde_json::from_str(&spec).unwrap(),
            source: "b.yaml".into(),
            line: 1,
        }
    }

    #[test]
    fn an_exception_is_announced_in_its_last_days_and_ends_at_its_time() {
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        for (end, state) in [
            ("2026-06-14", ExceptionState::Expired),
            ("2026-06-15T12:00:00Z", ExceptionState::Expired),
            ("2026-06-15T13:59:59+02:00", ExceptionState::Expired),
            ("2026-06-15T12:00:01Z", ExceptionState::Expiring),
            ("2026-06-15T14:00:01+02:00", ExceptionState::Expiring),
            ("2026-06-15", ExceptionState::Expiring),
            ("2026-06-29T12:00:00Z", ExceptionState::Expiring),
            ("2026-06-29T12:00:01Z", ExceptionState::Active),
            ("2026-06-29", ExceptionState::Active),
        ] {
            assert_eq!(ending(end).state(now), state, "{end}");
        }
    }
}
