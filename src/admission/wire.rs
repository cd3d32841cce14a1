//! AdmissionReview v1 on the wire: decodes bytes to [`Request`], encodes [`Response`] to bytes.
//!
//! Source: <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/> and
//! the requests recorded from a real API server in `tests/fixtures/reviews/`. kube's generic
//! `AdmissionReview<T>` is not used: objects stay as the received bytes and are parsed only if a policy needs
//! them.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{GroupVersionKind, GroupVersionResource, Object, Operation, Request, UserInfo, bounded};
use crate::diagnostic::{shorten, without_value};
use crate::plain;

/// The only version that stategate supports; API servers have supported it since 1.16.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// The longest uid of a request, in bytes; the API server's have 36. It is repeated in the answer and in the log.
pub const MAX_UID: usize = 128;

/// The longest message about a body, in bytes: it quotes what it refuses.
const MAX_MESSAGE: usize = 1024;

/// A body that is not an AdmissionReview that can be reviewed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadReview {
    /// The request's uid, if it could be recovered: then the response is a refusal that the API server
    /// understands. Without it, only an HTTP error is possible.
    pub uid: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl BadReview {
    /// A long message is cut.
    pub fn new(uid: Option<String>, message: String) -> Self {
        Self { uid, message: shorten(message, MAX_MESSAGE) }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireReview {
    api_version: String,
    kind: String,
    request: Option<WireRequest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest {
    uid: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    #[serde(default)]
    sub_resource: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    operation: Operation,
    #[serde(default)]
    user_info: UserInfo,
    #[serde(default, deserialize_with = "object")]
    object: Option<Object>,
    #[serde(default, deserialize_with = "object")]
    old_object: Option<Object>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(default, deserialize_with = "within_limits")]
    options: Value,
}

fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Object>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    Ok((raw.get() != "null").then(|| Object::from(raw)))
}

fn within_limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    bounded::from_str(raw.get()).map_err(de::Error::custom)
}

/// Reads the body of a request to the webhook.
///
/// # Errors
/// If the body is not UTF-8, or not an AdmissionReview of [`API_VERSION`] with a request and its uid. The error keeps
/// the uid wherever one can be found, even in a truncated body.
pub fn decode(body: &[u8]) -> Result<Request, BadReview> {
    let refuse = |message: String| BadReview::new(recover_uid(body), message);
    // The whole body: serde_json does not look at the bytes of strings that it skips.
    let text = std::str::from_utf8(body).map_err(|error| refuse(not_utf8(body, error.valid_up_to())))?;
    let review: WireReview = serde_json::from_str(text).map_err(|error| {
        let said = match error.to_string() {
            // Only operations are words of a list.
            operation if operation.starts_with("unknown variant ") => operation,
            _ => without_value(&error),
        };
        refuse(format!("the body is no AdmissionReview that can be read: {said}"))
    })?;
    if review.kind != "AdmissionReview" {
        return Err(refuse(format!("the body is of kind {:?}, not AdmissionReview", review.kind)));
    }
    if review.api_version != API_VERSION {
        return Err(refuse(format!(
            "the review is of version {:?}; stategate speaks {API_VERSION} only: set admissionReviewVersions: [v1]",
            review.api_version
        )));
    }
    let Some(request) = review.request else {
        return Err(refuse("the AdmissionReview holds no request".to_owned()));
    };
    if request.uid.is_empty() {
        return Err(BadReview::new(None, "the request has no uid".to_owned()));
    }
    if request.uid.len() > MAX_UID {
        let length = request.uid.len();
        let message = format!("request.uid has {length} bytes; at most {MAX_UID} are accepted");
        return Err(BadReview::new(None, message));
    }
    let missing = match request.operation {
        Operation::Create | Operation::Update if request.object.is_none() => Some("object"),
        Operation::Update | Operation::Delete if request.old_object.is_none() => Some("oldObject"),
        _ => None,
    };
    if let Some(missing) = missing {
        let message = format!("a {} request must carry an {missing}", request.operation);
        return Err(BadReview::new(Some(request.uid), message));
    }
    Ok(Request {
        uid: request.uid,
        kind: request.kind,
        resource: request.resource,
        subresource: request.sub_resource,
        request_name: request.name,
        namespace: request.namespace,
        operation: request.operation,
        user: request.user_info,
        object: request.object,
        old_object: request.old_object,
        dry_run: request.dry_run.unwrap_or(false),
        options: request.options,
    })
}

/// Names the place as serde_json does.
fn not_utf8(body: &[u8], at: usize) -> String {
    let before = body.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().len() + 1;
    format!("the body is not UTF-8 at line {line} column {column}, byte {at}: the client must send UTF-8")
}

/// The uid of a body that could not be decoded, as far as the body can be read; None if it is too long.
pub fn recover_uid(body: &[u8]) -> Option<String> {
    let found = RefCell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // An error is expected: the body is known to be bad, and only the uid before the error counts.
    let _ = Find { keys: &["request", "uid"], found: &found }.deserialize(&mut deserializer);
    found.into_inner().filter(|uid| (1..=MAX_UID).contains(&uid.len()))
}

/// Follows `keys` and keeps the string at their end, even if the document is cut off later.
struct Find<'a> {
    keys: &'a [&'a str],
    found: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Find<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.keys.is_empty() {
            *self.found.borrow_mut() = Some(String::deserialize(deserializer)?);
            return Ok(());
        }
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.keys.split_first() else {
            return Err(de::Error::custom("no key to look for"));
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == *first {
                map.next_value_seed(Find { keys: rest, found: self.found })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The response to one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Response {
    /// Whether the object may be stored.
    pub allowed: bool,
    /// Why the request is refused; None if it is allowed.
    pub status: Option<Status>,
    /// Shown to the user by kubectl, one line each.
    pub warnings: Vec<String>,
    /// The changes to make; only in a response of the mutating webhook.
    pub patch: Option<json_patch::Patch>,
    /// For the API server's audit log.
    pub audit_annotations: std::collections::BTreeMap<String, String>,
}

/// Why a request is refused (the part of meta/v1 Status that reaches the client).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The HTTP status code that the client sees.
    pub code: u16,
    /// `Forbidden`: with `Invalid` kubectl shows the causes and drops the message.
    pub reason: &'static str,
    /// The text shown to the user.
    pub message: String,
    /// The faulty fields, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// `status.details`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    pub kind: String,
    pub causes: Vec<Cause>,
}

/// One fault: `reason` is the policy, `field` the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the words are the API's own")]
pub struct Cause {
    pub reason: String,
    pub message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: WireResponse<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireResponse<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    audit_annotations: &'a std::collections::BTreeMap<String, String>,
}

/// The body of the webhook's response.
///
/// # Errors
/// Only if serde_json fails to serialize, which does not happen for these types; the caller responds with an
/// HTTP error, so that the failurePolicy decides.
pub fn encode(uid: &str, response: &Response) -> Result<Vec<u8>, serde_json::Error> {
    let patch = response.patch.as_ref().map(serde_json::to_vec).transpose()?;
    // The uid is the API server's own text, so it is repeated exactly.
    let answer = serde_json::to_string(&WireAnswer {
        api_version: API_VERSION,
        kind: "AdmissionReview",
        response: WireResponse {
            uid,
            allowed: response.allowed,
            status: response.status.as_ref(),
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch: patch.map(|patch| STANDARD.encode(patch)),
            warnings: &response.warnings,
            audit_annotations: &response.audit_annotations,
        },
    })?;
    Ok(plain::escaped_json(&answer).into_owned().into_bytes())
}

/// The refusal of a body whose uid was recovered: an unreadable request is never allowed.
pub fn refusal(bad: &BadReview) -> Response {
    Response {
        allowed: false,
        status: Some(Status {
            code: 400,
            reason: "BadRequest",
            message: format!("stategate cannot judge this request: {}", plain::line(&bad.message)),
            details: None,
        }),
        ..Response::default()
    }
}
