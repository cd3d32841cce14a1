//! What can go wrong between stategate and an API server, in words that say what to do.

use std::error::Error;

use kube::client::AuthError;
use kube::core::Status;

use crate::plain;

/// Why a cluster does not say what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClusterError {
    /// It is not known where the cluster is, or as whom to ask.
    #[error("{0}")]
    Config(String),
    /// There are no credentials: the program that provides them failed, or a file is missing.
    #[error("cannot get credentials: {0}")]
    Credentials(String),
    /// No connection.
    #[error("cannot reach the API server: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("the API server did not answer within {0} seconds")]
    TimedOut(u64),
    /// Status 401.
    #[error("the API server does not accept the credentials: they have expired, or are another cluster's")]
    Unauthorized,
    /// Status 403.
    #[error("{0}")]
    Forbidden(String),
    /// Status 404: no such resource, or no such object.
    #[error("not found: {0}")]
    NotFound(String),
    /// Status 409: another one has changed or created the object in the meantime.
    #[error("{0}")]
    Conflict(String),
    /// The resource has only versions that no projection reads.
    #[error("{0}")]
    Version(String),
    /// Status 410: what was asked for is no longer in the API server's memory, so that everything must be
    /// listed again.
    #[error("the API server no longer knows the requested version")]
    Gone,
    /// Any other status.
    #[error("the API server answered with status {code}: {message}")]
    Status {
        /// The HTTP status.
        code: u16,
        /// What it says.
        message: String,
    },
    /// An answer that cannot be read.
    #[error("the API server's answer cannot be read: {0}")]
    Unreadable(String),
}

impl ClusterError {
    /// The command that shows more; `kubectl` is kubectl with the flags that reach the same cluster.
    pub fn help(&self, kubectl: &str) -> String {
        match self {
            Self::Config(_) => "`kubectl config get-contexts` lists the contexts".to_owned(),
            Self::Credentials(_) | Self::Unauthorized => {
                format!("log in to the cluster again; `{kubectl} auth whoami` shows who you are")
            }
            Self::Unreachable(_) | Self::TimedOut(_) => {
                format!("`{kubectl} get --raw /readyz` shows whether it is up")
            }
            Self::Version(_) => "add a projection of this version with --policies".to_owned(),
            Self::Forbidden(_) => format!("`{kubectl} auth can-i --list` shows what is allowed"),
            Self::NotFound(_) => format!("`{kubectl} api-resources` lists what there is"),
            Self::Conflict(_) | Self::Gone | Self::Status { .. } | Self::Unreadable(_) => {
                format!("`{kubectl} get --raw /readyz?verbose` and `{kubectl} version` show its state")
            }
        }
    }

    /// A word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Config(_) => "config",
            Self::Credentials(_) => "credentials",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut(_) => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Version(_) => "version",
            Self::Gone => "gone",
            Self::Status { .. } => "status",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Whether asking again in the same way is pointless until a person changes something.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Forbidden(_) | Self::Version(_))
    }

    /// What an API server says in a Status.
    pub(super) fn of_status(status: &Status) -> Self {
        let message = || plain::line(status.message.trim()).into_owned();
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(message()),
            404 => Self::NotFound(message()),
            409 => Self::Conflict(message()),
            410 => Self::Gone,
            code => Self::Status { code, message: message() },
        }
    }

    /// Output of a credential plugin may contain a token, so it is not repeated.
    fn of_credentials(error: &AuthError) -> Self {
        Self::Credentials(match error {
            // The command is shown with its arguments and environment, which may contain some, too.
            AuthError::AuthExecRun { out, .. } => format!("the credential plugin failed with {}", out.status),
            AuthError::AuthExecParse(_) => "the credential plugin's output cannot be read".to_owned(),
            AuthError::AuthExecStart(error) => format!("cannot run the credential plugin: {error}"),
            AuthError::ReadTokenFile(error, file) => format!("cannot read {}: {error}", file.display()),
            AuthError::ExecPluginFailed => "the credential plugin gives no credentials".to_owned(),
            other => plain::line(&other.to_string()).into_owned(),
        })
    }
}

impl From<kube::Error> for ClusterError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(&status),
            kube::Error::Auth(error) => Self::of_credentials(&error),
            kube::Error::InferKubeconfig(error) => Self::Config(chain(&error)),
            kube::Error::SerdeError(error) => Self::Unreadable(error.to_string()),
            // Middleware wraps what the credentials' layer says.
            kube::Error::Service(error) => match error.downcast::<AuthError>() {
                Ok(error) => Self::of_credentials(&error),
                Err(error) => Self::Unreachable(chain(&*error)),
            },
            other => Self::Unreachable(chain(&other)),
        }
    }
}

/// The innermost cause: the outer ones repeat it, or name layers of the client.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    plain::line(&innermost.to_string()).into_owned()
}
