//! What became of the exceptions of a run.

use super::Report;
use crate::policy::exception::{Exception, ExceptionState};

/// An exception, and what became of it in the run.
#[derive(Clone, Debug)]
pub struct ReportedException {
    /// The exception.
    pub exception: Exception,
    /// How far it was from its end.
    pub state: ExceptionState,
    /// Did it waive a policy for any object? None if the run cannot tell.
    pub matched: Option<bool>,
}

/// What whoever keeps the exceptions should know of one.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The exception.
    pub exception: &'a Exception,
    /// What it is about.
    pub topic: Topic,
    /// The whole sentence.
    pub text: String,
}

/// What a notice is about, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// It waives nothing any more.
    Expired,
    /// It soon waives nothing any more.
    Expiring,
    /// It waived nothing in the run.
    Unmatched,
}

impl Topic {
    /// `exception-expired`, …
    pub fn id(self) -> &'static str {
        match self {
            Self::Expired => "exception-expired",
            Self::Expiring => "exception-expiring",
            Self::Unmatched => "exception-unmatched",
        }
    }
}

impl Notice<'_> {
    /// `bindings.yaml:18`, or the resource.
    pub fn place(&self) -> String {
        self.exception.place()
    }
}

/// What should be known of the exceptions, in their order.
pub fn notices(report: &Report) -> Vec<Notice<'_>> {
    report.exceptions.iter().flat_map(ReportedException::notices).collect()
}

impl ReportedException {
    fn notices(&self) -> Vec<Notice<'_>> {
        let exception = &self.exception;
        let name = exception.display_name();
        let end = exception.spec.expires_at.map(|end| end.to_string()).unwrap_or_default();
        let of_time = match self.state {
            ExceptionState::Active => None,
            ExceptionState::Expiring => {
                let policies: Vec<&str> = exception.spec.policies.iter().map(|id| id.as_str()).collect();
                let policies = policies.join(", ");
                Some((
                    Topic::Expiring,
                    format!(
                        "exception {name} expires at {end}, within 14 days: until then, fix what it waives ({policies}), or set a later expiresAt"
                    ),
                ))
            }
            ExceptionState::Expired => Some((
                Topic::Expired,
                format!(
                    "exception {name} expired at {end} and waives nothing any more: delete it, or set a later expiresAt"
                ),
            )),
        };
        let unmatched = (self.matched == Some(false)).then(|| {
            let text = format!(
                "exception {name} matched nothing in this run: delete it, or correct its namespace, match and policies"
            );
            (Topic::Unmatched, text)
        });
        let all = of_time.into_iter().chain(unmatched);
        all.map(|(topic, text)| Notice { exception, topic, text }).collect()
    }
}
