//! A client of the API server that tells what came back, whatever it was.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::Request;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The longest wait for an answer. Admission may take two webhooks' timeouts.
const LIMIT: Duration = Duration::from_secs(30);

/// Where all clients and forwarders run.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime can be started")
});

/// A user of the API server.
#[derive(Clone)]
pub struct Client {
    inner: kube::Client,
}

/// What the API server said.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code of HTTP.
    pub code: u16,
    /// The object, or a `Status`.
    pub body: Value,
    /// The warnings of webhooks.
    pub warnings: Vec<String>,
    /// What the request is called in the audit log.
    pub audit_id: String,
}

impl Answer {
    /// Whether the request was done.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Why it was not.
    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Client {
    /// The user of this kubeconfig file.
    pub fn of(kubeconfig: &Path) -> Self {
        Self { inner: RUNTIME.block_on(crate::measure::client(kubeconfig)) }
    }

    /// Sends a request. Of `PATCH`, `MERGE`, `STRATEGIC` and `APPLY` the last three name the kind of patch.
    ///
    /// # Errors
    /// If no whole answer came.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        let (method, content) = match method {
            "PATCH" => ("PATCH", "application/json-patch+json"),
            "MERGE" => ("PATCH", "application/merge-patch+json"),
            "STRATEGIC" => ("PATCH", "application/strategic-merge-patch+json"),
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            other => (other, "application/json"),
        };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content)
            .body(kube::client::Body::from(bytes))
            .expect("a request can be made");
        let answer = async {
            let answer = self.inner.send(request).await.map_err(|error| format!("{error:?}"))?;
            let code = answer.status().as_u16();
            let warnings = answer.headers().get_all("warning").iter();
            let warnings = warnings.map(|one| String::from_utf8_lossy(one.as_bytes()).into_owned()).collect();
            let audit_id = answer.headers().get("audit-id").and_then(|id| id.to_str().ok());
            let audit_id = audit_id.unwrap_or_default().to_owned();
            let body = answer.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
            let text = String::from_utf8_lossy(&body).into_owned();
            let body = serde_json::from_str(&text).unwrap_or_else(|_| json!({"message": text}));
            Ok(Answer { code, body, warnings, audit_id })
        };
        tokio::time::timeout(LIMIT, answer).await.map_err(|_| "no answer in time".to_owned())?
    }

    /// As [`send`](Self::send), for callers that wait.
    ///
    /// # Errors
    /// If no whole answer came.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        RUNTIME.block_on(self.send(method, path, body))
    }

    /// An object, or a list; none if it is not there or nobody answers.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.call("GET", path, &Value::Null).ok().filter(Answer::succeeded).map(|answer| answer.body)
    }

    /// The items of a list; none if nobody answers.
    pub fn list(&self, path: &str) -> Option<Vec<Value>> {
        self.get(path)?["items"].as_array().cloned()
    }
}

/// A text of an object, or nothing.
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
