//! Where a cluster is, and the requests that stategate makes of it: reads, and writes of its own objects.

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::http::header;
use hyper::{Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::core::Status;
use kube::{Client, Config};
use serde::Deserialize;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::error::ClusterError;
use crate::plain;

/// How long the API server may take to answer, watches excepted.
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may take to tell its version, which needs nothing but the API server itself.
const VERSION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a program may take that provides credentials: a person may have to log in.
const CREDENTIALS: Duration = Duration::from_secs(60);
/// Objects in one page of a list. An API server stores objects of at most about 1.5 MiB.
const PAGE: usize = 100;
/// The largest answer that is read: a page of large objects, or the discovery document.
const LARGEST: usize = 256 << 20;
/// The largest single object, in a get or a watch.
pub const LARGEST_OBJECT: usize = 8 << 20;
/// The format of objects.
pub const JSON: &str = "application/json";
/// Names stategate in the `managedFields` of what it writes.
const FIELD_MANAGER: &str = "stategate";

/// Where a cluster is, and as whom to ask it.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// A kubeconfig; absent: `$KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// A context of the kubeconfig; absent: its current one.
    pub context: Option<String>,
    /// Ask as the ServiceAccount of the Pod that this process runs in.
    pub in_cluster: bool,
}

impl Access {
    async fn config(&self) -> Result<Config, ClusterError> {
        if self.in_cluster {
            return Config::incluster().map_err(|error| {
                ClusterError::Config(format!(
                    "not in a Pod with a ServiceAccount: {}",
                    plain::line(&error.to_string())
                ))
            });
        }
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        match &self.kubeconfig {
            Some(file) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(file).map_err(unusable)?, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        }
        .map_err(unusable)
    }

    /// kubectl with the flags that reach the same cluster.
    fn kubectl(&self) -> String {
        let mut command = "kubectl".to_owned();
        if let Some(file) = &self.kubeconfig {
            command.push_str(&format!(" --kubeconfig {}", plain::path(file)));
        }
        if let Some(context) = &self.context {
            command.push_str(&format!(" --context {}", plain::line(context)));
        }
        command
    }
}

/// The text around a fault may contain a token, so that only its kind is told.
fn unusable(error: KubeconfigError) -> ClusterError {
    let what = match error {
        KubeconfigError::ReadConfig(error, file) => format!("cannot read {}: {error}", plain::path(file)),
        KubeconfigError::Parse(_) => "it is not YAML, or a field has the wrong type".to_owned(),
        other => plain::line(&other.to_string()).into_owned(),
    };
    ClusterError::Config(format!("the kubeconfig cannot be used: {what}"))
}

/// A connection to a cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    name: String,
    namespace: String,
    kubectl: String,
}

/// A page of a list.
pub struct Page {
    /// The objects. The API server leaves out what the list's own kind says: `apiVersion` and `kind`.
    pub items: Vec<Value>,
    /// Where the next page begins; absent in the last one.
    pub next: Option<String>,
    /// Whether the list begins with this page.
    pub first: bool,
    /// The version of the whole list, from which a watch can continue.
    pub version: String,
}

/// A change of one object. What stategate did not make itself, it does not change.
#[derive(Clone, Copy, Debug)]
pub enum Write<'v> {
    /// Stores a new object; the path is that of all objects.
    Create(&'v Value),
    /// Stores the object in the place of the one with the same `resourceVersion`.
    Replace(&'v Value),
    /// Changes these fields only (RFC 7386).
    Merge(&'v Value),
    /// Changes these fields only, in lists those of the items with the same key.
    Strategic(&'v Value),
    /// Deletes the object that these `DeleteOptions` allow to delete.
    Delete(&'v Value),
}

impl<'v> Write<'v> {
    fn parts(self) -> (Method, &'static str, &'v Value) {
        match self {
            Self::Create(object) => (Method::POST, JSON, object),
            Self::Replace(object) => (Method::PUT, JSON, object),
            Self::Merge(fields) => (Method::PATCH, "application/merge-patch+json", fields),
            Self::Strategic(fields) => (Method::PATCH, "application/strategic-merge-patch+json", fields),
            Self::Delete(options) => (Method::DELETE, JSON, options),
        }
    }
}

#[derive(Deserialize)]
struct ListBody {
    #[serde(default)]
    metadata: ListMetadata,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    resource_version: Option<String>,
}

/// The client of a configuration. A program that provides credentials runs now, on a thread of its own: it may
/// wait for a person who is not there, and nothing else ends it.
async fn client(config: Config) -> Result<Client, ClusterError> {
    let (sender, receiver) = oneshot::channel();
    let runtime = Handle::current();
    let connect = move || {
        let _entered = runtime.enter();
        // Nobody waits any more if it took too long.
        let _ = sender.send(Client::try_from(config));
    };
    std::thread::Builder::new()
        .name("credentials".to_owned())
        .spawn(connect)
        .map_err(|error| ClusterError::Credentials(format!("no thread for them: {error}")))?;
    let late = |_| ClusterError::Credentials(format!("none after {} seconds", CREDENTIALS.as_secs()));
    match tokio::time::timeout(CREDENTIALS, receiver).await.map_err(late)? {
        Ok(client) => Ok(client?),
        Err(_) => Err(ClusterError::Credentials("asking for them broke off".to_owned())),
    }
}

impl Cluster {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// If it is not known where the cluster is, or the kubeconfig cannot be used.
    pub async fn open(access: &Access) -> Result<Self, ClusterError> {
        let mut config = access.config().await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let (name, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
        let client = client(config).await?;
        Ok(Self { client, name, namespace, kubectl: access.kubectl() })
    }

    /// The URL of its API server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace of the context.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The command that shows more about an error.
    pub fn help(&self, error: &ClusterError) -> String {
        error.help(&self.kubectl)
    }

    /// Whether the API server answers at all: it is asked for the smallest thing there is.
    pub(super) async fn is_there(&self) -> bool {
        let asked = tokio::time::timeout(VERSION_TIMEOUT, self.get("/version"));
        // Whoever refuses to answer is there.
        matches!(asked.await, Ok(Ok(_) | Err(ClusterError::Forbidden(_) | ClusterError::Unauthorized)))
    }

    /// Whether the API server is gone with this error, so that asking for anything else is in vain and may take as
    /// long again.
    pub async fn is_gone(&self, error: &ClusterError) -> bool {
        matches!(error, ClusterError::Unreachable(_) | ClusterError::TimedOut(_)) && !self.is_there().await
    }

    /// One object; none if it does not exist.
    ///
    /// # Errors
    /// If the API server does not say whether it exists.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        match self.json(path, JSON, LARGEST_OBJECT).await {
            Ok(object) => Ok(Some(object)),
            Err(ClusterError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of the objects below a path.
    ///
    /// # Errors
    /// If the API server does not answer with a list.
    pub(super) async fn page(
        &self,
        path: &str,
        accept: &str,
        next: Option<&str>,
    ) -> Result<Page, ClusterError> {
        let mut path = format!("{path}{}limit={PAGE}", if path.contains('?') { '&' } else { '?' });
        if let Some(next) = next {
            path.push_str("&continue=");
            path.extend(percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC));
        }
        let body: ListBody = self.json(&path, accept, LARGEST).await?;
        Ok(Page {
            items: body.items.unwrap_or_default(),
            first: next.is_none(),
            next: body.metadata.next.filter(|next| !next.is_empty()),
            version: body.metadata.resource_version.unwrap_or_default(),
        })
    }

    /// Changes one object, and returns what the API server answers: the object as stored or, of a delete, a Status
    /// or the object.
    ///
    /// # Errors
    /// If the API server does not change it; [`ClusterError::Conflict`] if another one was faster.
    pub async fn write(&self, path: &str, write: Write<'_>) -> Result<Value, ClusterError> {
        let (method, content, body) = write.parts();
        let path = match method {
            Method::DELETE => path.to_owned(),
            _ => format!("{path}?fieldManager={FIELD_MANAGER}"),
        };
        let body = serde_json::to_vec(body).map_err(|error| ClusterError::Unreadable(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, JSON)
            .header(header::CONTENT_TYPE, content);
        self.read(async { self.request(request.body(Body::from(body))).await }, LARGEST_OBJECT).await
    }

    /// An answer read as JSON, within limits of time and size.
    pub(super) async fn json<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        accept: &str,
        largest: usize,
    ) -> Result<T, ClusterError> {
        self.read(self.send(path, accept), largest).await
    }

    async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        body: impl Future<Output = Result<Body, ClusterError>>,
        largest: usize,
    ) -> Result<T, ClusterError> {
        let answer = async {
            let bytes = Limited::new(body.await?, largest).collect().await;
            let bytes = bytes
                .map_err(|error| ClusterError::Unreadable(plain::line(&error.to_string()).into_owned()))?;
            serde_json::from_slice(&bytes.to_bytes())
                .map_err(|error| ClusterError::Unreadable(error.to_string()))
        };
        let timed_out = |_| ClusterError::TimedOut(TIMEOUT.as_secs());
        tokio::time::timeout(TIMEOUT, answer).await.map_err(timed_out)?
    }

    /// The body of a successful answer to a read.
    pub(super) async fn send(&self, path: &str, accept: &str) -> Result<Body, ClusterError> {
        self.request(Request::get(path).header(header::ACCEPT, accept).body(Body::empty())).await
    }

    async fn request(&self, request: hyper::http::Result<Request<Body>>) -> Result<Body, ClusterError> {
        let request = request.map_err(|error| ClusterError::Unreadable(error.to_string()))?;
        let response = self.client.send(request).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let bytes = Limited::new(response.into_body(), LARGEST_OBJECT).collect().await;
        let bytes = bytes.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut said: Status = serde_json::from_slice(&bytes).unwrap_or_default();
        said.code = status.as_u16();
        if said.message.is_empty() {
            said.message = String::from_utf8_lossy(bytes.get(..200).unwrap_or(&bytes)).into_owned();
        }
        Err(ClusterError::of_status(&said))
    }
}
